"""Quality of models: live metrics, gates and drift. Empty for now."""
