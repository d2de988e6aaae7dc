"""Quality of models: which answers are usable, and what to label next."""
