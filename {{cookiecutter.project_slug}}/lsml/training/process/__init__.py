"""The training process, which calls the user's `train()` or `fit()`."""
