"""The training process: where the user's `train()` or `fit()` is called."""
