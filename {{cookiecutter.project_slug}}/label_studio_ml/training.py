"""What `train(dataset, run)` gets: annotated tasks, and a handle on the run itself.

Both are plain and can be made in a notebook; a service passes callbacks or subclasses.
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

logger = logging.getLogger(__name__)

Region = dict[str, Any]
Annotation = dict[str, Any]


class RunCancelled(Exception):
    """Somebody asked to stop the run; let it pass through `train`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a run: how far, in words, and the metrics of this step."""

    fraction: float  # 0..1
    message: str
    metrics: dict[str, float]


class Run:
    """One training run as the model sees it.

    Attributes:
        artifacts: An empty folder; what is written there is kept with the new version
            and given to `load(artifacts)` wherever that version serves.
        metrics: What the version is to be judged by, name to number. `progress` adds
            to it (the last value of a name counts), and so does what `train` returns.
    """

    def __init__(
        self,
        *,
        artifacts: Path | str | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> None:
        """Make a run.

        Args:
            artifacts: Folder to write to, made if missing; a new temporary one if None.
            on_progress: Called with each report; without it reports are logged.
            is_cancelled: Asked at each report; without it nothing is ever cancelled.
        """
        self.artifacts = Path(artifacts or tempfile.mkdtemp(prefix="run-"))
        self.artifacts.mkdir(parents=True, exist_ok=True)
        self.metrics: dict[str, float] = {}
        self._on_progress = on_progress or _log_progress
        self._is_cancelled = is_cancelled or (lambda: False)

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop, for long loops that report no progress."""
        return self._is_cancelled()

    def progress(self, fraction: float, message: str = "", **metrics: float) -> None:
        """Report how far the run is.

        Args:
            fraction: Share of the work that is done, 0..1.
            message: What is being done, for people.
            metrics: Numbers of this step, such as `loss=0.31`.

        Raises:
            ValueError: The fraction is not in 0..1.
            RunCancelled: Somebody asked to stop.
        """
        if not 0 <= fraction <= 1:  # false for NaN, too
            raise ValueError(
                f"progress() takes a fraction from 0 to 1, got {fraction!r}"
            )
        step = numbers(metrics)
        self.metrics.update(step)
        self._on_progress(Progress(float(fraction), message, step))
        if self.cancelled:
            raise RunCancelled("the run was cancelled")


@dataclass(frozen=True, slots=True)
class AnnotatedTask:
    """A Label Studio task with what people said about it.

    `annotations` are dicts as Label Studio sends them (`result`, `completed_by`,
    `ground_truth`, …), oldest first, without cancelled (skipped) ones.
    """

    id: int
    data: dict[str, Any]
    annotations: list[Annotation]
    meta: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_label_studio(cls, task: Mapping[str, Any]) -> AnnotatedTask:
        """Make one from a task of Label Studio's API or of a JSON export."""
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
        """Return every choice people made, oldest first, with repetitions."""
        return [
            choice
            for region in self.regions(from_name)
            for choice in region.get("value", {}).get("choices", [])
        ]

    def choice(self, from_name: str | None = None) -> str | None:
        """Return the one choice to learn from, None where nobody chose.

        Ground truth wins, else the choice most annotators made; of equals, the newest.
        """
        truths = [each for each in self.annotations if each.get("ground_truth")]
        voters = AnnotatedTask(self.id, self.data, truths or self.annotations)
        votes = voters.choices(from_name)[
            ::-1
        ]  # newest first: Counter keeps that order
        return Counter(votes).most_common(1)[0][0] if votes else None


class Dataset:
    """The annotated tasks of a project, to iterate over more than once.

    A task of which all annotations were cancelled is left out.
    """

    def __init__(
        self,
        tasks: Iterable[AnnotatedTask | Mapping[str, Any]] = (),
        *,
        label_config: str = "",
    ) -> None:
        """Make a dataset.

        Args:
            tasks: Annotated tasks, or task dicts of Label Studio's API or JSON export.
            label_config: The project's label config (XML).
        """
        self.label_config = label_config
        self._tasks: Sequence[AnnotatedTask] = [
            task for task in map(_annotated, tasks) if task.annotations
        ]

    def __iter__(self) -> Iterator[AnnotatedTask]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def chosen(
        self, value: str, from_name: str | None = None
    ) -> tuple[list[Any], list[str]]:
        """Return what a classifier fits on: inputs and the choice for each.

        Args:
            value: Key in a task's data, such as "text". Tasks without it are left out.
            from_name: Name of the Choices tag; any if None.

        Returns:
            Two lists of equal length, `x` and `y`; tasks nobody chose for are left out.
        """
        pairs = [
            (task.data[value], choice)
            for task in self
            if value in task.data and (choice := task.choice(from_name)) is not None
        ]
        return [x for x, _ in pairs], [y for _, y in pairs]


def is_cancelled(annotation: Mapping[str, Any]) -> bool:
    """Tell whether the annotator skipped the task (either of Label Studio's words)."""
    return bool(annotation.get("was_cancelled") or annotation.get("skipped"))


def numbers(returned: object) -> dict[str, float]:
    """Return the finite numbers in what `fit` or `train` returned, by name.

    A legacy `fit` may return anything; only numbers make metrics. {} if no mapping.
    """
    if not isinstance(returned, Mapping):
        return {}
    found = {str(name): _number(value) for name, value in returned.items()}
    return {name: number for name, number in found.items() if number is not None}


def _number(value: object) -> float | None:
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:  # NumPy's, torch's
        value = value.item()
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return None


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
