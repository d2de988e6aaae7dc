"""Request ids, logs and metrics. It imports no other package of the service."""
