"""Request ids, logs and metrics. Every room may import it; it imports no other room."""
