"""Tasks and annotations as last seen, snapshots, agreement, reconciling."""
