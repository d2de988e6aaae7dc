"""The arguments of `train(dataset, run)`: annotated tasks, and the training run.

Both can also be created in a notebook. A service passes callbacks or subclasses.
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from label_studio_ml.out_of_sample import Probabilities, checked

logger = logging.getLogger(__name__)

Region = dict[str, Any]
Annotation = dict[str, Any]


class RunCancelled(Exception):
    """Someone cancelled the run. Do not catch it in `train`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a run."""

    fraction: float  # share of the work that is done, 0..1
    message: str
    metrics: dict[str, float]  # of this step


class Run:
    """One training run as the model sees it.

    Attributes:
        artifacts: An empty folder. Its content is stored with the new version and
            passed to `load(artifacts)` in every process that serves the version.
        metrics: Quality of the version, name to number. `progress` and the return value
            of `train` add to it; the last value of a name wins.
        probabilities: What `out_of_sample` was given, by name of the control tag.
    """

    def __init__(
        self,
        *,
        artifacts: Path | str | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> None:
        """Create a run.

        Args:
            artifacts: Folder to write to, created if missing; if None, a temporary one.
            on_progress: Called with each report; if None, reports are logged.
            is_cancelled: Called at each report; if None, the run is never cancelled.
        """
        self.artifacts = Path(artifacts or tempfile.mkdtemp(prefix="run-"))
        self.artifacts.mkdir(parents=True, exist_ok=True)
        self.metrics: dict[str, float] = {}
        self.probabilities: dict[str, Probabilities] = {}
        self._on_progress = on_progress or _log_progress
        self._is_cancelled = is_cancelled or (lambda: False)

    @property
    def cancelled(self) -> bool:
        """Whether someone cancelled the run, for long loops that report no progress."""
        return self._is_cancelled()

    def progress(self, fraction: float, message: str = "", **metrics: float) -> None:
        """Report how far the run is.

        Args:
            fraction: Share of the work that is done, 0..1.
            message: The current step, for people to read.
            metrics: Numbers of this step, such as `loss=0.31`.

        Raises:
            ValueError: The fraction is not in 0..1.
            RunCancelled: Someone cancelled the run.
        """
        if not 0 <= fraction <= 1:  # false for NaN, too
            raise ValueError(
                f"progress() takes a fraction from 0 to 1, but got {fraction!r}."
            )
        step = numbers(metrics)
        self.metrics.update(step)
        self._on_progress(Progress(float(fraction), message, step))
        if self.cancelled:
            raise RunCancelled("The run was cancelled.")

    def out_of_sample(
        self, from_name: str, probabilities: Mapping[int, Mapping[str, float]]
    ) -> None:
        """Report how probable models that did not learn from a task find its labels.

        Cross-validation yields such probabilities. The service finds suspicious
        annotations with them. It may be called for each fold; invalid rows are left
        out with a warning, because they must not fail a training.

        Args:
            from_name: Name of the Choices tag, of which one label is chosen.
            probabilities: Task ID -> label -> probability, 0..1.
        """
        rows, errors = checked(probabilities)
        self.probabilities.setdefault(str(from_name), {}).update(rows)
        if errors:
            logger.warning(
                "out_of_sample() took %d tasks and left out %d; %s",
                len(rows),
                len(errors),
                errors[0],
            )


@dataclass(frozen=True, slots=True)
class AnnotatedTask:
    """A Label Studio task with its annotations.

    `annotations` are dicts as Label Studio sends them (`result`, `completed_by`,
    `ground_truth`, …), oldest first, without cancelled (skipped) ones.
    """

    id: int
    data: dict[str, Any]
    annotations: list[Annotation]
    meta: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_label_studio(cls, task: Mapping[str, Any]) -> AnnotatedTask:
        """Read a task of Label Studio's API or of a JSON export."""
        kept = [
            each for each in task.get("annotations") or [] if not is_cancelled(each)
        ]
        kept.sort(key=lambda each: str(each.get("updated_at") or ""))
        return cls(
            id=int(task.get("id") or 0),
            data=dict(task.get("data") or {}),
            annotations=kept,
            meta=dict(task.get("meta") or {}),
        )

    def regions(self, from_name: str | None = None) -> list[Region]:
        """Return all regions of all annotations, or those of one control tag."""
        return [
            region
            for annotation in self.annotations
            for region in annotation.get("result") or []
            if from_name is None or region.get("from_name") == from_name
        ]

    def choices(self, from_name: str | None = None) -> list[str]:
        """Return every choice of the annotators, oldest first, with repetitions."""
        return [
            choice
            for region in self.regions(from_name)
            for choice in region.get("value", {}).get("choices", [])
        ]

    def choice(self, from_name: str | None = None) -> str | None:
        """Return the one choice to learn from, or None if nobody chose.

        The choice of most annotators wins, the newest of equally frequent ones. If some
        annotations are ground truth, only those count.
        """
        truths = [each for each in self.annotations if each.get("ground_truth")]
        voters = AnnotatedTask(self.id, self.data, truths or self.annotations)
        # Of equally frequent choices Counter returns the one it saw first.
        newest_first = voters.choices(from_name)[::-1]
        return Counter(newest_first).most_common(1)[0][0] if newest_first else None


class Dataset:
    """The annotated tasks of a project. It can be iterated over more than once.

    Tasks without annotations, or with only cancelled ones, are left out.

    Attributes:
        held_out: Annotated tasks for measuring; do not train on them. Neither iteration
            nor `len()` includes them. The service measures every version on them, which
            says nothing if a version has seen the answers.
    """

    def __init__(
        self,
        tasks: Iterable[AnnotatedTask | Mapping[str, Any]] = (),
        *,
        label_config: str = "",
        held_out: Iterable[AnnotatedTask | Mapping[str, Any]] = (),
    ) -> None:
        """Create a dataset.

        Args:
            tasks: Annotated tasks, or task dicts of Label Studio's API or JSON export.
            label_config: The project's label config (XML).
            held_out: Likewise, but not to be trained on.
        """
        self.label_config = label_config
        self._tasks: Sequence[AnnotatedTask] = _with_annotations(tasks)
        self.held_out: Sequence[AnnotatedTask] = _with_annotations(held_out)

    def __iter__(self) -> Iterator[AnnotatedTask]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def chosen(
        self, value: str, from_name: str | None = None
    ) -> tuple[list[Any], list[str]]:
        """Return the inputs and choices to fit a classifier on.

        Args:
            value: Key in a task's data, such as "text". Tasks without it are left out.
            from_name: Name of the Choices tag; if None, any.

        Returns:
            Two lists of equal length, `x` and `y`. Tasks without a choice are left out.
        """
        found = self._chosen(value, from_name)
        return [task.data[value] for task, _ in found], [choice for _, choice in found]

    def chosen_ids(self, value: str, from_name: str | None = None) -> list[int]:
        """Return the task IDs of what `chosen` returns, in the same order."""
        return [task.id for task, _ in self._chosen(value, from_name)]

    def _chosen(
        self, value: str, from_name: str | None
    ) -> list[tuple[AnnotatedTask, str]]:
        return [
            (task, choice)
            for task in self
            if value in task.data and (choice := task.choice(from_name)) is not None
        ]


def is_cancelled(annotation: Mapping[str, Any]) -> bool:
    """Return whether the annotator skipped the task. Label Studio has two flags."""
    return bool(annotation.get("was_cancelled") or annotation.get("skipped"))


def numbers(returned: object) -> dict[str, float]:
    """Return the finite numbers in the return value of `fit` or `train`, by name.

    A legacy `fit` may return anything. Without a mapping there are no numbers.
    """
    if not isinstance(returned, Mapping):
        return {}
    found = {str(name): _number(value) for name, value in returned.items()}
    return {name: number for name, number in found.items() if number is not None}


def _number(value: object) -> float | None:
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:  # NumPy, torch
        value = value.item()
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return None


def _with_annotations(
    tasks: Iterable[AnnotatedTask | Mapping[str, Any]],
) -> list[AnnotatedTask]:
    return [task for task in map(_annotated, tasks) if task.annotations]


def _annotated(task: AnnotatedTask | Mapping[str, Any]) -> AnnotatedTask:
    return (
        task
        if isinstance(task, AnnotatedTask)
        else AnnotatedTask.from_label_studio(task)
    )


def _log_progress(progress: Progress) -> None:
    logger.info(
        "%3.0f%% %s %s", progress.fraction * 100, progress.message, progress.metrics
    )
