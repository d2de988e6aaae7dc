"""Background work: one state machine, one lease, one way to wake a worker."""
