"""Answers tasks: pick the served version, predict, record, and only then answer."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone

from lsml.audit.models import Prediction
from lsml.audit.services import Origin, digest_of, record_predictions
from lsml.inference.answers import TaskPrediction, read_answer
from lsml.inference.errors import ModelError
from lsml.inference.host import HostedModel, host
from lsml.labelstudio.requests import PredictRequest
from lsml.labelstudio.secrets import masked, masked_text
from lsml.registry.models import Project
from lsml.registry.services import meet_project, note_project


@dataclass(frozen=True, slots=True)
class Predicted:
    """What goes back to Label Studio. Its rows are committed."""

    model_version: str
    by_task: list[list[TaskPrediction]]  # in the order's order; [] = nothing to say

    def as_wire(self) -> list[dict[str, Any] | list[dict[str, Any]]]:
        """One item per task, which is what Label Studio matches by.

        A task without a prediction gets an empty list: anything else there makes Label
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
        origin: goes on every row.
        kind: for jobs of our own; else interactive or batch, as the order says.

    Raises:
        WireError: the label config is none.
        ModelError: the model raised or returned nonsense; recorded for each task.
        ModelBusy: no place to run it within PREDICT_WAIT_S; nothing was tried.

    Source: Label Studio's POST /predict, tests/protocol/predict.json.
    """
    received_at = timezone.now()
    project = meet_project(order.project)
    note_project(project=project, origin=origin, label_config=order.label_config)
    kind = kind or (
        Prediction.Kind.INTERACTIVE if order.interactive else Prediction.Kind.BATCH
    )
    rows = _Rows(order, project, origin, kind, received_at)
    if not order.tasks:
        return Predicted(project.served_version, [])
    try:
        with host.place(project, origin) as hosted:
            rows.started = time.perf_counter()
            by_task = read_answer(_call(hosted, order), tasks=order.tasks)
            # A model that renames itself while it predicts (the reference allows it)
            # serves this very answer under the new name.
            version = hosted.store.take_adopted() or project.served_version
    except ModelError as error:
        record_predictions(rows.failed(str(error)))
        raise
    record_predictions(rows.answered(by_task, version))
    return Predicted(version, by_task)


def _call(hosted: HostedModel, order: PredictRequest) -> object:
    try:
        return hosted.model.predict(order.tasks, context=order.context, **order.params)
    except DatabaseError:
        raise  # the model's `self.get` found the database away: that is a 503
    except Exception as error:  # the user's code: anything can come out of it
        raise ModelError(
            f"predict() raised {type(error).__name__}: {masked_text(str(error))[:500]}"
        ) from error


class _Rows:
    """The audit rows of one request."""

    def __init__(
        self,
        order: PredictRequest,
        project: Project,
        origin: Origin,
        kind: Prediction.Kind,
        received_at: datetime,
    ) -> None:
        self.order = order
        self.project = project
        self.started = time.perf_counter()
        self.shared = {
            "created_at": received_at,
            "request_id": origin.request_id,
            "client": origin.client,
            "project_id": project.pk,
            "kind": kind,
            "context": masked(order.context),
            "batch_size": len(order.tasks),
        }

    def answered(
        self, by_task: list[list[TaskPrediction]], version: str
    ) -> list[Prediction]:
        """A row per prediction, and one for each task without any."""
        shared = self._timed(version)
        rows = []
        for task, predictions in zip(self.order.tasks, by_task, strict=True):
            about = _about(task)
            rows += [
                Prediction(
                    **shared,
                    **about,
                    outcome=Prediction.Outcome.OK,
                    score=each.score,
                    result=each.result,
                )
                for each in predictions
            ] or [Prediction(**shared, **about, outcome=Prediction.Outcome.EMPTY)]
        return rows

    def failed(self, error: str) -> list[Prediction]:
        """A row per task that nobody could answer."""
        shared = self._timed(self.project.served_version)
        return [
            Prediction(
                **shared, **_about(task), outcome=Prediction.Outcome.ERROR, error=error
            )
            for task in self.order.tasks
        ]

    def _timed(self, version: str) -> dict[str, Any]:
        milliseconds = (time.perf_counter() - self.started) * 1000
        return {**self.shared, "model_version": version, "latency_ms": milliseconds}


def _about(task: dict[str, Any]) -> dict[str, Any]:
    """What a row says of the task itself."""
    about = {"task_id": task.get("id"), "input_digest": digest_of(task["data"])}
    if settings.AUDIT_INPUTS == "full":
        about["input"] = masked({"data": task["data"]})["data"]  # type: ignore[index]
    return about
