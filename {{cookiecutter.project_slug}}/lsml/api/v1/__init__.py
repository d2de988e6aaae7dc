"""The operators' and auditors' REST API, under /api/v1/.

Each resource has its own file with serializer, filters and view (`predictions.py`,
`runs.py`, …). To add one, write such a file and add a line to `urls.py`. Shared parts:
`viewset.py`, `jobs.py`, `requests.py`, `filtering.py`, `pagination.py`, `streaming.py`,
`access.py`, `openapi.py`.
"""
