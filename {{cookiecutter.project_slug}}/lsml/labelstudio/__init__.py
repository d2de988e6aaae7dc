"""Label Studio's requests, task JSON, label configs and API client. Plain Python."""
