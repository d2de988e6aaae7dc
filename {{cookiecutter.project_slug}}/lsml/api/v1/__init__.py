"""The operators' and auditors' REST API, under /api/v1/."""
