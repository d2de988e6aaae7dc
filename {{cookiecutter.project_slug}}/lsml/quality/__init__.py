"""Quality of models: which answers are usable."""
