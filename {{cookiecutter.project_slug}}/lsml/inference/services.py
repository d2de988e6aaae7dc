"""Answers tasks: picks the served version, predicts, and records before answering."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone

from lsml.audit.models import Prediction
from lsml.audit.services import PredictionBatch, digest_of, record_predictions
from lsml.inference.answers import TaskPrediction, answers_one_only, read_answer
from lsml.inference.errors import ModelError, ModelNotLoadable
from lsml.inference.host import HostedModel, host
from lsml.inference.promotion import fall_back
from lsml.labelstudio.requests import PredictRequest
from lsml.labelstudio.secrets import masked_text
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
        ModelError: the model raised, returned something unusable, or neither the served
            version nor an earlier one can be loaded; recorded for each task.
        ModelBusy: no place to run it became free within PREDICT_WAIT_S; no row is
            written.

    Source: Label Studio's POST /predict, tests/protocol/predict.
    """
    received_at = timezone.now()
    serving = _serving(order, origin)
    if not order.tasks:
        return Predicted(serving.version, [])
    kind = kind or (
        Prediction.Kind.INTERACTIVE if order.interactive else Prediction.Kind.BATCH
    )
    started = time.perf_counter()
    try:
        with _place(serving, origin, kind) as (serving, hosted):
            started = time.perf_counter()
            by_task = _by_task(hosted, order)
            # If the model sets its version while it predicts, as the reference allows,
            # this answer already carries the new name.
            version = hosted.store.take_adopted() or serving.version
    except ModelError as error:
        batch = _batch(order, origin, kind, received_at, serving, started)
        _record(batch, _failed(order, str(error)))
        raise
    batch = _batch(order, origin, kind, received_at, serving, started, version)
    _record(batch, _answered(order, by_task))
    return Predicted(version, by_task)


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


@contextmanager
def _place(
    serving: Served, origin: Origin, kind: Prediction.Kind
) -> Iterator[tuple[Served, HostedModel]]:
    """Hold a place to run the served version, or an earlier one if it does not load.

    A bulk prediction never falls back: it runs in a worker, and a version that does not
    load there may well load in the web processes.
    """
    with ExitStack() as held:
        try:
            hosted = held.enter_context(host.place(serving, origin))
        except ModelNotLoadable as error:
            if kind is Prediction.Kind.BULK:
                raise
            serving = fall_back(serving, error, origin)
            hosted = held.enter_context(host.place(serving, origin))
        yield serving, hosted


def _by_task(hosted: HostedModel, order: PredictRequest) -> list[list[TaskPrediction]]:
    returned = _call(hosted, order, order.tasks)
    if answers_one_only(returned, tasks=order.tasks):
        # Label Studio would now send each task in a request of its own.
        singly = ([task] for task in order.tasks)
        return [read_answer(_call(hosted, order, one), tasks=one)[0] for one in singly]
    return read_answer(returned, tasks=order.tasks)


def _call(
    hosted: HostedModel, order: PredictRequest, tasks: list[dict[str, Any]]
) -> object:
    try:
        return hosted.model.predict(tasks, context=order.context, **order.params)
    except DatabaseError:
        raise  # the model's `self.get` needs the database: answer 503
    except Exception as error:  # the user's code may raise anything
        raise ModelError(
            f"predict() raised {type(error).__name__}: {masked_text(str(error))[:500]}"
        ) from error


# --- The rows ---


def _record(batch: PredictionBatch, rows: list[dict[str, Any]]) -> None:
    record_predictions(batch, rows)
    metrics.predict_seconds.labels(batch.kind.value).observe(batch.latency_ms / 1000)
    for outcome, count in Counter(row["outcome"] for row in rows).items():
        metrics.predictions.labels(batch.kind.value, outcome).inc(count)


def _batch(
    order: PredictRequest,
    origin: Origin,
    kind: Prediction.Kind,
    received_at: datetime,
    serving: Served,
    started: float,
    version: str = "",
) -> PredictionBatch:
    return PredictionBatch(
        origin=origin,
        created_at=received_at,
        project_pk=serving.project_pk,
        model_version=version or serving.version,
        kind=kind,
        context=order.context,
        latency_ms=(time.perf_counter() - started) * 1000,
        batch_size=len(order.tasks),
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
