"""Metrics for Prometheus at /metrics, summed over all web processes.

The processes share their counts through the folder PROMETHEUS_MULTIPROC_DIR, which
config/gunicorn.py sets.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import DatabaseError
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    generate_latest,
    multiprocess,
)
from prometheus_client.registry import Collector

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


def read_from_database(read: Callable[[], Iterable[Metric]]) -> bytes:
    """Return metrics that the database knows, in Prometheus's text format.

    Args:
        read: Returns families of metrics, with their samples. A `Gauge` or a `Counter`
            would also be kept in the folder of this process, and be reported again.

    Returns:
        The text; empty if the database does not answer.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read(read))
    try:
        return generate_latest(registry)
    except DatabaseError:
        return b""


@dataclass(frozen=True)
class _Read(Collector):
    """Reads when it is asked, and not when it is registered."""

    collect: Callable[[], Iterable[Metric]]

    def describe(self) -> Iterable[Metric]:
        return []


def exposition() -> bytes:
    """Return all metrics in Prometheus's text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
