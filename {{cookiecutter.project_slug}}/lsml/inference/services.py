"""Answers tasks: picks the served version, predicts, and records before answering."""

import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from lsml.audit.models import Prediction
from lsml.audit.services import PredictionBatch, digest_of, record_predictions
from lsml.inference.admission import admission
from lsml.inference.answers import TaskPrediction
from lsml.inference.calls import Call
from lsml.inference.errors import ModelError, ModelNotLoadable, ModelTimedOut
from lsml.inference.placement import models
from lsml.inference.promotion import fall_back
from lsml.labelstudio.requests import PredictRequest
from lsml.observability import metrics
from lsml.observability.origin import Origin
from lsml.registry.served import Served, served
from lsml.registry.services import NO_PROJECT, get_or_create_project, update_project


@dataclass(frozen=True, slots=True)
class Predicted:
    """The answer to Label Studio. Its audit rows are committed."""

    model_version: str
    by_task: list[list[TaskPrediction]]  # as the tasks were ordered; [] = no prediction

    def as_wire(self) -> list[dict[str, Any] | list[dict[str, Any]]]:
        """Return one item per task, in the tasks' order, as Label Studio expects.

        A task without a prediction gets an empty list: any other value makes Label
        Studio drop the batch or fail.
        """
        return [
            self._wire(predictions[0])
            if len(predictions) == 1
            else [self._wire(each) for each in predictions]
            for predictions in self.by_task
        ]

    def _wire(self, prediction: TaskPrediction) -> dict[str, Any]:
        return prediction.as_wire(self.model_version)


def predict(
    order: PredictRequest, *, origin: Origin, kind: Prediction.Kind | None = None
) -> Predicted:
    """Answer every task with the served version and record each answer.

    Args:
        order: the tasks, all of one project.
        origin: recorded on every row.
        kind: given by jobs; None = interactive or batch, as the request says.

    Raises:
        WireError: the label config cannot be read.
        ModelError: the model raised, hung, returned something unusable, or neither the
            served version nor an earlier one can be loaded; recorded for each task.
        ModelBusy: too many predictions wait, or no place to run this one became free
            within PREDICT_WAIT_S; no row is written.
        ModelProcessUnavailable: the model process does not answer; no row is written.

    Source: Label Studio's POST /predict, tests/protocol/predict.
    """
    kind = kind or (
        Prediction.Kind.INTERACTIVE if order.interactive else Prediction.Kind.BATCH
    )
    with admission.admit(kind):
        received_at = timezone.now()
        serving = _serving(order, origin)
        if not order.tasks:
            return Predicted(serving.version, [])
        call = Call(order.tasks, kind, origin, order.context, order.params)
        started = time.perf_counter()

        def record_failure(error: ModelError) -> None:
            seconds = time.perf_counter() - started
            batch = _batch(call, received_at, serving, serving.version, seconds)
            _record(batch, _failed(order, str(error)))

        def on_timeout() -> None:
            record_failure(ModelTimedOut(settings.PREDICT_TIMEOUT_S))

        try:
            try:
                answer = models().predict(serving, call, on_timeout=on_timeout)
            except ModelNotLoadable as error:
                serving = _served_instead(serving, call, error)
                answer = models().predict(serving, call, on_timeout=on_timeout)
        except ModelError as error:
            record_failure(error)
            raise
        # If the model set its version while it predicted, as the reference allows, this
        # answer already carries the new name.
        version = answer.version or serving.version
        batch = _batch(call, received_at, serving, version, answer.seconds)
        _record(batch, _answered(order, answer.by_task))
        return Predicted(version, answer.by_task)


def _serving(order: PredictRequest, origin: Origin) -> Served:
    """Return the served version: one query if the project is known and unchanged.

    Otherwise the project is created or updated first.
    """
    key = order.project or NO_PROJECT
    serving = served(key)
    if serving and order.label_config in {None, "", serving.label_config}:
        return serving
    project = get_or_create_project(key)
    update_project(project=project, origin=origin, label_config=order.label_config)
    return Served(project.pk, project.served_version, project.label_config)


def _served_instead(serving: Served, call: Call, error: ModelNotLoadable) -> Served:
    """Return an earlier version that loads.

    A bulk prediction never falls back: it may run in a worker, and a version that does
    not load there may well load in the web processes.
    """
    if call.kind is Prediction.Kind.BULK:
        raise error
    return fall_back(serving, error, call.origin)


# --- The rows ---


def _record(batch: PredictionBatch, rows: list[dict[str, Any]]) -> None:
    record_predictions(batch, rows)
    metrics.predict_seconds.labels(batch.kind.value).observe(batch.latency_ms / 1000)
    for outcome, count in Counter(row["outcome"] for row in rows).items():
        metrics.predictions.labels(batch.kind.value, outcome).inc(count)


def _batch(
    call: Call, received_at: datetime, serving: Served, version: str, seconds: float
) -> PredictionBatch:
    return PredictionBatch(
        origin=call.origin,
        created_at=received_at,
        project_pk=serving.project_pk,
        model_version=version,
        kind=call.kind,
        context=call.context,
        latency_ms=seconds * 1000,
        batch_size=len(call.tasks),
    )


def _answered(
    order: PredictRequest, by_task: list[list[TaskPrediction]]
) -> list[dict[str, Any]]:
    """Return a row per prediction, and one for each task without a prediction."""
    rows: list[dict[str, Any]] = []
    for task, predictions in zip(order.tasks, by_task, strict=True):
        about = _about(task)
        rows += [
            {**about, "outcome": "ok", "score": each.score, "result": each.result}
            for each in predictions
        ] or [{**about, "outcome": "empty"}]
    return rows


def _failed(order: PredictRequest, error: str) -> list[dict[str, Any]]:
    """Return a row per task, each with the error."""
    return [
        {**_about(task), "outcome": "error", "error": error} for task in order.tasks
    ]


def _about(task: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that describe the task itself."""
    about = {"task_id": task.get("id"), "input_digest": digest_of(task["data"])}
    if settings.AUDIT_INPUTS == "full":
        about["input"] = task["data"]
    return about
