"""Events that wait for training: accepted, applied to the dataset, taken by a run."""
