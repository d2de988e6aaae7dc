"""Learning curves: a simulated annotator, what the curves say, and their picture."""
