"""Metrics for Prometheus at /metrics, summed over all web processes.

The processes share their counts through the folder PROMETHEUS_MULTIPROC_DIR, which
config/gunicorn.py sets.
"""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST

predictions = Counter("lsml_predictions_total", "Tasks answered", ["kind", "outcome"])
predict_seconds = Histogram(
    "lsml_predict_seconds", "Time in the model's predict(), per request", ["kind"]
)
webhook_events = Counter("lsml_webhook_events_total", "Events accepted", ["action"])
refused_credentials = Counter(
    "lsml_refused_credentials_total", "Requests with wrong or missing credentials"
)
notify_failures = Counter(
    "lsml_notify_failures_total", "Messages to workers that the broker did not accept"
)


def exposition() -> bytes:
    """Return all metrics in Prometheus's text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
