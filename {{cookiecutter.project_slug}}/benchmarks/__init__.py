"""Figures, each taken against something else in the same run."""
