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
from lsml.inference.withheld import withheld_among
from lsml.labelstudio.requests import PredictRequest
from lsml.observability import metrics, tracing
from lsml.observability.origin import Origin
from lsml.registry.served import Served, remembered, served
from lsml.registry.services import NO_PROJECT, get_or_create_project, update_project


@dataclass(frozen=True, slots=True)
class Predicted:
    """The answer to Label Studio. Its audit rows are committed."""

    model_version: str
    by_task: list[list[TaskPrediction]]  # as the tasks were ordered; [] = no prediction
    seconds: float = 0.0  # in the model's predict()
    withheld: frozenset[int] = frozenset()  # Label Studio's IDs; their answer is []

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
        StorageUnavailable: the artifact storage does not answer; no row is written.

    Source: Label Studio's POST /predict, tests/protocol/predict.
    """
    kind = kind or (
        Prediction.Kind.INTERACTIVE if order.interactive else Prediction.Kind.BATCH
    )
    with admission.admit(kind):
        call = Call(order.tasks, kind, origin, order.context, order.params)
        work = _Work(call, received_at=timezone.now(), started=time.perf_counter())
        likely, failure = _likely_served(order), None
        if likely is not None:
            try:
                return work.predict(likely, if_unchanged=True)
            except _ProjectChanged:
                pass
            except ModelNotLoadable as error:
                failure = error
        serving = _serving(order, origin)
        if not order.tasks:
            return Predicted(serving.version, [])
        if failure is None or serving != likely:
            try:
                return work.predict(serving)
            except ModelNotLoadable as error:
                failure = error
        return _predict_instead(serving, work, failure)


def predict_shadow(
    serving: Served, tasks: list[dict[str, Any]], *, origin: Origin
) -> Predicted:
    """Let a version predict that need not be served; its answers are only recorded.

    Everything that waits for the same model comes first.

    Args:
        serving: The version.
        tasks: As Label Studio sends them: `id` and `data`.
        origin: Recorded on every row.

    Raises:
        ModelNotLoadable: The version cannot be loaded; no row is written.
        ModelError: As for `predict`; recorded for each task.
        ModelBusy, ModelProcessUnavailable, StorageUnavailable: As for `predict`.
    """
    call = Call(tasks, Prediction.Kind.SHADOW, origin)
    work = _Work(call, received_at=timezone.now(), started=time.perf_counter())
    return work.predict(serving)


class _ProjectChanged(Exception):
    """The project changed since its served version was read. No row was written."""


@dataclass(frozen=True, slots=True)
class _Work:
    """One request to predict."""

    call: Call
    received_at: datetime
    started: float  # time.perf_counter()

    def predict(self, serving: Served, *, if_unchanged: bool = False) -> Predicted:
        """Let a version predict, and record what it answered.

        Args:
            serving: The version.
            if_unchanged: Record it only if the project has not changed since `serving`
                was read.

        Raises:
            _ProjectChanged: It has.
            ModelNotLoadable: Nothing is recorded.
            ModelError: Recorded for each task.
        """
        if_project = serving.row_version if if_unchanged else ""
        try:
            with tracing.step("predict", version=serving.version):
                answer = models(self.call.kind).predict(
                    serving,
                    self.call,
                    on_timeout=lambda: self.record_failure(
                        serving, ModelTimedOut(settings.PREDICT_TIMEOUT_S)
                    ),
                )
        except ModelNotLoadable:
            raise
        except ModelError as error:
            self.record_failure(serving, error, if_project)
            raise
        version = serving.version
        if answer.version:
            # The model set its version while it predicted, as the reference allows.
            # That changed the project, and this answer already carries the new name.
            version, if_project = answer.version, ""
        withheld = self._withheld(serving)
        rows = _answered(self.call, answer.by_task, withheld)
        self._record(serving, version, answer.seconds, rows, if_project)
        shown = answer.by_task
        if withheld:
            shown = [
                [] if task.get("id") in withheld else predictions
                for task, predictions in zip(self.call.tasks, shown, strict=True)
            ]
        return Predicted(version, shown, answer.seconds, withheld)

    def _withheld(self, serving: Served) -> frozenset[int]:
        """Return the tasks whose answers are recorded, but not sent.

        A click is always answered, and nothing of a shadow is sent anyway.
        """
        if self.call.kind not in Prediction.TASK_KINDS:
            return frozenset()
        return withheld_among(
            (task.get("id") for task in self.call.tasks),
            project_pk=serving.project_pk,
            percent=serving.withheld_percent,
        )

    def record_failure(
        self, serving: Served, error: ModelError, if_project: str = ""
    ) -> None:
        """Record an error for each task."""
        seconds = time.perf_counter() - self.started
        rows = _failed(self.call, str(error))
        self._record(serving, serving.version, seconds, rows, if_project)

    def _record(
        self,
        serving: Served,
        version: str,
        seconds: float,
        rows: list[dict[str, Any]],
        if_project: str,
    ) -> None:
        batch = PredictionBatch(
            origin=self.call.origin,
            created_at=self.received_at,
            project_pk=serving.project_pk,
            model_version=version,
            kind=self.call.kind,
            context=self.call.context,
            latency_ms=seconds * 1000,
            batch_size=len(self.call.tasks),
        )
        with tracing.step("record predictions", rows=len(rows)):
            recorded = record_predictions(batch, rows, if_project=if_project)
        if not recorded:
            raise _ProjectChanged
        kind = self.call.kind.value
        metrics.predict_seconds.labels(kind).observe(seconds)
        for outcome, count in Counter(row["outcome"] for row in rows).items():
            metrics.predictions.labels(kind, outcome).inc(count)


# --- The version ---


def _likely_served(order: PredictRequest) -> Served | None:
    """Return what this process remembers, if the request does not change the project.

    None also for a request without tasks, which records nothing that checks it.
    """
    known = remembered(order.project) if order.project and order.tasks else None
    if known and order.label_config in {None, "", known.label_config}:
        return known
    return None


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
    return Served(
        project.pk,
        project.served_version,
        project.label_config,
        project.withheld_percent,
    )


def _predict_instead(
    serving: Served, work: _Work, failure: ModelNotLoadable
) -> Predicted:
    """Predict with an earlier version that loads; record the error if there is none.

    A bulk prediction never falls back: it may run in a worker, and a version that does
    not load there may well load in the web processes.
    """
    try:
        if work.call.kind is Prediction.Kind.BULK:
            raise failure
        serving = fall_back(serving, failure, work.call.origin)
        return work.predict(serving)
    except ModelNotLoadable as error:
        work.record_failure(serving, error)
        raise


# --- The rows ---


def _answered(
    call: Call, by_task: list[list[TaskPrediction]], withheld: frozenset[int]
) -> list[dict[str, Any]]:
    """Return a row per prediction, and one for each task without a prediction."""
    rows: list[dict[str, Any]] = []
    for task, predictions in zip(call.tasks, by_task, strict=True):
        about = _about(task)
        if task.get("id") in withheld:
            about["withheld"] = True
        rows += [
            {**about, "outcome": "ok", "score": each.score, "result": each.result}
            for each in predictions
        ] or [{**about, "outcome": "empty"}]
    return rows


def _failed(call: Call, error: str) -> list[dict[str, Any]]:
    """Return a row per task, each with the error."""
    return [{**_about(task), "outcome": "error", "error": error} for task in call.tasks]


def _about(task: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that describe the task itself."""
    about = {"task_id": task.get("id"), "input_digest": digest_of(task["data"])}
    if settings.AUDIT_INPUTS == "full":
        about["input"] = task["data"]
    return about
