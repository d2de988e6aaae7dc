"""Projects, model versions, promotions, artifacts and a model's key-value state."""
