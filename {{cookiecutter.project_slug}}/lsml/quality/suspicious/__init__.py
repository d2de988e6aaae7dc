"""Annotations that a version not trained on their task finds improbable."""
