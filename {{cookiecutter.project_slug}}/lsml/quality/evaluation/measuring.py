"""Lets a version predict held-out tasks, and compares the answers with annotations."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Final

from label_studio_ml.training import AnnotatedTask
from lsml.audit.models import Prediction
from lsml.dataset.measures import ControlScore, Counts, compare
from lsml.dataset.measures.scores import sum_counts
from lsml.inference.errors import (
    GivenUp,
    ModelBusy,
    ModelCrashed,
    ModelError,
    ModelTimedOut,
    StillLoading,
)
from lsml.inference.hosting.watch import LOAD_TIMEOUT_S
from lsml.inference.placement import models
from lsml.inference.services import Predicted
from lsml.inference.steps import predict_in_steps
from lsml.jobs.errors import AttemptFailed, JobFailed
from lsml.model_process.errors import ModelProcessEnded, ModelProcessUnavailable
from lsml.observability.origin import Origin
from lsml.quality.gates.rules import Scored
from lsml.registry.errors import StorageUnavailable
from lsml.registry.served import Served

_LOOK_EVERY_S: Final = 2.0  # whether it has loaded

# Tasks that each version predicts alone: so many pairs of durations show whether one is
# slower. More would take longer, because a call with several tasks costs less for each.
_ALONE: Final = 20


@dataclass(slots=True)
class Measured:
    """How one version did on the tasks. One that it failed on counts as unanswered."""

    version: str
    scores: dict[int, float] = field(default_factory=dict)
    labels: dict[int, dict[str, Counts]] = field(default_factory=dict)
    # control -> task -> value, and control -> name of the measure
    controls: dict[str, dict[int, float]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    measures: dict[str, str] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    error: str = ""  # of the last task that failed
    # Task -> duration, if predict() got it alone.
    seconds: dict[int, float] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """On how many tasks the version did not fail."""
        return len(self.scores) - len(self.failed)

    def scored(self, *, with_failed: bool) -> Scored:
        """Return what the promotion rule compares.

        Args:
            with_failed: Whether tasks that the version failed on count as 0; otherwise
                they are left out.
        """
        left_out = set() if with_failed else self.failed
        scores = {task: x for task, x in self.scores.items() if task not in left_out}
        return Scored(self.version, scores, self.labels, self.seconds)

    def fail(self, tasks: Sequence[AnnotatedTask], error: str) -> None:
        """Count tasks that the version could not predict."""
        self.error = error
        for task in tasks:
            self.add(task, [])
            self.scores[task.id] = 0.0
            self.failed.add(task.id)

    def take(self, tasks: Sequence[AnnotatedTask], predicted: Predicted) -> None:
        """Compare what was predicted with the annotations of each task."""
        if len(tasks) == 1:
            self.seconds[tasks[0].id] = predicted.seconds
        for task, predictions in zip(tasks, predicted.by_task, strict=True):
            self.add(task, predictions[0].result if predictions else [])

    def add(self, task: AnnotatedTask, result: Sequence[object]) -> None:
        """Compare a prediction with the task's annotations."""
        by_control: defaultdict[str, list[ControlScore]] = defaultdict(list)
        for annotation in _standard(task):
            for each in compare(result, annotation.get("result") or []):
                by_control[each.control].append(each)
        labels: dict[str, Counts] = {}
        for control, scores in by_control.items():
            self.controls[control][task.id] = fmean(each.value for each in scores)
            self.measures[control] = scores[0].measure
            counted = sum_counts(each.labels for each in scores)
            labels |= {f"{control}: {label}": n for label, n in counted.items()}
        values = [self.controls[control][task.id] for control in by_control]
        self.scores[task.id] = fmean(values) if values else 1.0  # both are empty
        self.labels[task.id] = labels


def measure(
    serving: Served,
    tasks: Sequence[AnnotatedTask],
    *,
    into: Measured,
    origin: Origin,
    on_wait: Callable[[], None],
) -> Iterator[None]:
    """Let a version predict tasks, and compare its answers with the annotations.

    Yields after each call of the model, and may be continued later. Waits while the
    model is busy or away.

    Args:
        serving: The version, whether it is served or not.
        tasks: Annotated tasks.
        into: Gets what it does.
        origin: Of the recorded predictions.
        on_wait: Called before each wait; may raise to end it.

    Raises:
        ModelNotLoadable: The version cannot be loaded.
        GivenUp: It hung, or its process ended.
    """
    steps = predict_in_steps(
        serving,
        [{"id": task.id, "data": task.data} for task in tasks],
        origin=origin,
        on_wait=on_wait,
        alone=_ALONE,
    )
    try:
        for predicted, found in steps:
            part = tasks[len(into.scores) :][: len(predicted)]
            if isinstance(found, ModelError):
                into.fail(part, str(found))
            else:
                into.take(part, found)
            yield
    except GivenUp as error:
        if isinstance(error.cause, ModelTimedOut | ModelCrashed):
            raise
        into.fail(tasks[len(into.scores) :], f"gave up: {error}")


def load(
    serving: Served,
    origin: Origin,
    *,
    kind: Prediction.Kind | None,
    on_wait: Callable[[], None],
) -> None:
    """Load a version, and wait while that takes long or the models are away.

    A model process does not give up what hangs, so this does.

    Args:
        serving: The version, whether it is served or not.
        origin: Recorded on the rows that the model's `setup()` writes.
        kind: What it is to predict, as for `models`.
        on_wait: Called before each wait; may raise to end it.

    Raises:
        ModelNotLoadable: The version cannot be loaded.
        AttemptFailed: The model process ended meanwhile, perhaps because of it.
        JobFailed: It is still loading after LOAD_TIMEOUT_S.
    """
    since = time.monotonic()
    while True:
        try:
            models(kind).load(serving, origin)
        except (StillLoading, ModelBusy) as error:
            if time.monotonic() >= since + LOAD_TIMEOUT_S:
                raise JobFailed(
                    f"{serving.version} did not load within {LOAD_TIMEOUT_S:g} s. If it"
                    " hangs, the log of the model process says where; restart the"
                    " process to try anew."
                ) from error
            on_wait()
            time.sleep(_LOOK_EVERY_S)
        except ModelProcessEnded as error:
            raise AttemptFailed(
                f"The model process ended while it loaded {serving.version}; its log"
                " may say why."
            ) from error
        except (ModelProcessUnavailable, StorageUnavailable) as error:
            on_wait()
            time.sleep(error.retry_after_s)
            since = time.monotonic()
        else:
            return


def _standard(task: AnnotatedTask) -> Sequence[Mapping[str, Any]]:
    """Return the annotations to compare with: ground truth if there is any."""
    truths = [each for each in task.annotations if each.get("ground_truth")]
    return truths or task.annotations
