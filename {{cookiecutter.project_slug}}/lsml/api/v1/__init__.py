"""The operators' and auditors' REST API, under /api/v1/.

Each resource has a file of its own: serializer, filter and view stand together in it
(`predictions.py`, `runs.py`, …). A new one is such a file and a line in `urls.py`. What
they share stands beside them: `viewset.py`, `filtering.py`, `pagination.py`,
`streaming.py`, `access.py`.
"""
