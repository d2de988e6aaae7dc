"""Request ids, logs and metrics. Known to every room, knows none."""
