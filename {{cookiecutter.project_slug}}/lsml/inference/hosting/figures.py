"""Metrics of the models in this process.

In a registry of their own: the model process reports these and nothing else.
"""

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from lsml.audit.models import Prediction

MODELS = CollectorRegistry()

loaded = Gauge(
    "lsml_models_loaded",
    "Models in memory, one per project, version and label config",
    registry=MODELS,
    multiprocess_mode="livesum",
)
memory = Gauge(
    "lsml_models_memory_bytes",
    "Memory that loading these models took, about, besides load_shared",
    registry=MODELS,
    multiprocess_mode="livesum",
)
waiting = Gauge(
    "lsml_predictions_waiting",
    "Predictions that wait for a model",
    ["kind"],
    registry=MODELS,
    multiprocess_mode="livesum",
)
wait_seconds = Histogram(
    "lsml_predict_wait_seconds",
    "Time that a prediction waited for a model",
    ["kind"],
    registry=MODELS,
)
batch_tasks = Histogram(
    "lsml_predict_batch_tasks",
    "Tasks that one call of predict() took",
    registry=MODELS,
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 1024),
)
for kind in Prediction.Kind:
    waiting.labels(kind)
    wait_seconds.labels(kind)


def exposition() -> bytes:
    """Return these metrics in Prometheus's text format."""
    return generate_latest(MODELS)
