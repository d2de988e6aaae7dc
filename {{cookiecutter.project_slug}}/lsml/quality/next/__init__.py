"""What to label next: the order in which unlabelled tasks teach a model most."""
