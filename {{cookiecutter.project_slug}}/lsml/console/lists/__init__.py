"""Lists that stay fast at ten million rows."""
