"""Runs a model on some tasks and says which answers Label Studio would refuse.

The answers are not recorded: nobody gets them.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import TextChoices

from lsml.audit.models import Prediction
from lsml.dataset.models import Task
from lsml.inference.answers import TaskPrediction
from lsml.inference.calls import Call
from lsml.inference.errors import ModelBusy, ModelError, ModelNotLoadable
from lsml.inference.placement import models
from lsml.labelstudio.validation import PredictionValidator
from lsml.observability.origin import Origin
from lsml.registry.models import Project
from lsml.registry.served import Served

_STEP: Final = 10  # tasks per call of predict()


class Outcome(TextChoices):
    """What became of a task."""

    VALID = "valid"  # Label Studio would store the answer
    INVALID = "invalid"  # it would refuse it
    EMPTY = "empty"  # the model returned no prediction
    FAILED = "failed"  # the model raised, or returned something unusable


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one task."""

    task_id: object  # as the task has it
    outcome: Outcome
    reasons: list[str]  # why it is invalid or failed


@dataclass(slots=True)
class Reason:
    """Tasks that are invalid or failed for the same reason."""

    outcome: Outcome
    task_id: object  # of the first one
    text: str  # of the first one
    count: int = 0


def newest_tasks(project: Project, limit: int) -> list[dict[str, Any]]:
    """Return the tasks that became known last, as Label Studio would send them."""
    known = Task.objects.filter(project=project).known()
    return [
        {"id": task.task_id, "data": task.data}
        for task in known.order_by("-pk")[:limit]
    ]


class Trial:
    """A version that is tried on tasks.

    Args:
        serving: The version, and the label config that it answers for.
        origin: Recorded on the rows that the model's `setup()` writes.

    Raises:
        WireError: The label config cannot be read.
    """

    def __init__(self, serving: Served, origin: Origin) -> None:
        self._serving = serving
        self._origin = origin
        self._validator = PredictionValidator(serving.label_config)

    def run(self, tasks: Sequence[dict[str, Any]]) -> Iterator[Verdict]:
        """Let the model predict, and judge its answers, in the tasks' order.

        Raises:
            ModelNotLoadable: The version cannot be fetched or loaded.
            ModelProcessUnavailable: The model process does not answer.
            StorageUnavailable: The artifact storage does not answer.
        """
        for start in range(0, len(tasks), _STEP):
            yield from self._judge(list(tasks[start : start + _STEP]))

    def _judge(self, tasks: list[dict[str, Any]]) -> Iterator[Verdict]:
        try:
            by_task = self._predict(tasks)
        except ModelNotLoadable:
            raise
        except ModelError as error:
            if len(tasks) == 1:
                yield Verdict(tasks[0]["id"], Outcome.FAILED, [str(error)])
                return
            for task in tasks:  # one of them may be the cause
                yield from self._judge([task])
            return
        for task, predictions in zip(tasks, by_task, strict=True):
            yield self._verdict(task["id"], predictions)

    def _predict(self, tasks: list[dict[str, Any]]) -> list[list[TaskPrediction]]:
        # Of the least urgent kind that has a place in the queue: annotators go first.
        call = Call(tasks, Prediction.Kind.BULK, self._origin)
        while True:
            try:
                answer = models().predict(self._serving, call, on_timeout=_ignore)
            except ModelBusy as error:
                time.sleep(error.retry_after_s)
            else:
                return answer.by_task

    def _verdict(self, task_id: object, predictions: list[TaskPrediction]) -> Verdict:
        reasons = [
            reason
            for each in predictions
            for reason in self._validator.problems(each.as_wire(self._serving.version))
        ]
        if reasons:
            return Verdict(task_id, Outcome.INVALID, reasons)
        return Verdict(task_id, Outcome.VALID if predictions else Outcome.EMPTY, [])


def _ignore() -> None:
    """Nothing is recorded of a call that hangs; the log names it."""


_REGION = re.compile(r"\b(?:Region|Relation) \d+: ")
_VALUE = re.compile(r" Got: .*|-?\d+(?:\.\d+)?(?:e-?\d+)?", re.DOTALL)


def by_reason(verdicts: Sequence[Verdict]) -> list[Reason]:
    """Group invalid and failed tasks, the most frequent reason first.

    Reasons that differ only in values, or in the number of the region or relation, are
    the same one. A task with several reasons counts for each.
    """
    found: dict[tuple[Outcome, str], Reason] = {}
    for verdict in verdicts:
        texts = [_REGION.sub("", text) for text in verdict.reasons]
        # Backwards, so that of the same reason the first text stays.
        alike = {_VALUE.sub("", text): text for text in reversed(texts)}
        for key, text in alike.items():
            reason = found.setdefault(
                (verdict.outcome, key), Reason(verdict.outcome, verdict.task_id, text)
            )
            reason.count += 1
    return sorted(found.values(), key=lambda each: -each.count)


def totals(verdicts: Sequence[Verdict]) -> Counter[Outcome]:
    """Count the tasks by outcome."""
    return Counter(verdict.outcome for verdict in verdicts)
