"""Annotations that a model which was not trained on them finds improbable."""
