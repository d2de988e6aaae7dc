"""The worker's side of a training: it starts, watches and ends the process."""
