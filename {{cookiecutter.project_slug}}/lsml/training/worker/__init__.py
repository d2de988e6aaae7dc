"""The worker's side of a training: starts, watches and stops its process."""
