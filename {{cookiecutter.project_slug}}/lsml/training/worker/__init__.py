"""The worker's side of a training: starts, watches and ends the process."""
