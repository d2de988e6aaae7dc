"""Metrics for Prometheus at /metrics. docs/observability.md lists all of them.

What web processes count is summed over them: they share their counts through the folder
PROMETHEUS_MULTIPROC_DIR, which config/gunicorn.py sets. All the rest is read from the
database when Prometheus asks, so any process tells it, whatever happened to others.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import structlog
from django.db import InterfaceError, OperationalError
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST

# Up to the time that Label Studio waits for a prediction. 1 s is its limit for webhooks
# and health checks.
_REQUEST_BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 100.0),
)

requests = Histogram(
    "lsml_request_seconds",
    "Time to answer a request, by class of status",
    ["endpoint", "status"],
    buckets=_REQUEST_BUCKETS,
)
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
broker_up = Gauge(
    "lsml_broker_up",
    "Whether the broker accepted the last message of web",
    multiprocess_mode="mostrecent",
)

log = structlog.get_logger(__name__)
_Read = Callable[[], Iterable[Metric]]


def from_database(*reads: _Read) -> bytes:
    """Return metrics that the database knows, in Prometheus's text format.

    Args:
        reads: Each returns families of metrics, with their samples. A `Gauge` or a
            `Counter` would also be kept in the folder of this process, and be reported
            again.

    Returns:
        The text; of a database that does not answer, only that it does not. What cannot
        be read for another reason is left out, and logged.
    """
    up = GaugeMetricFamily(
        "lsml_database_up", "Whether the database answers", value=True
    )
    known: list[Metric] = []
    for read in reads:
        try:
            known += list(read())
        except (OperationalError, InterfaceError) as error:
            log.warning("metrics of the database are missing", error=str(error).strip())
            known, up.samples = [], []
            up.add_metric([], False)
            break  # each of the others would wait as long
        except Exception:
            log.exception("metrics are missing", read=read.__name__)
    return generate_latest(_Known([*known, up]))


@dataclass(frozen=True)
class _Known(Collector):
    families: list[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.families


def exposition() -> bytes:
    """Return all metrics in Prometheus's text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
