"""Tasks and annotations as last seen, rebuilt from events; snapshots; agreement."""
