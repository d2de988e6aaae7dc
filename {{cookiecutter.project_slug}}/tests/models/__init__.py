"""Small models the tests serve; each does one thing, selected by MODEL_CLASS."""
