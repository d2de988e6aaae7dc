"""Decides when waiting events start a run. Pure functions: no query, no clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lsml.registry.models import Project
from lsml.training.models import TrainingRun

# While annotations keep coming, `debounce_s` alone would wait forever.
DEBOUNCE_TIMES_MAX = 10


@dataclass(frozen=True, slots=True)
class Waiting:
    """Counts of a project's inbox. A run gave held entries back; they start no run."""

    fresh: int = 0  # entries that are not held
    annotations: int = 0  # of all entries, held ones included
    requested: bool = False  # a fresh START_TRAINING is among them
    oldest_at: datetime | None = None  # of the fresh ones
    newest_at: datetime | None = None


def due(project: Project, waiting: Waiting, *, now: datetime) -> str | None:
    """Return the trigger of the run to open now, or None to wait.

    START_TRAINING comes from Label Studio's button or its own threshold. It overrides
    the minimum, the debounce, the quiet hours and the manual mode, but not a pause.
    """
    if project.archived_at or project.training_paused or not waiting.fresh:
        return None
    if waiting.requested:
        return TrainingRun.Trigger.START_TRAINING
    if (
        project.training_mode == Project.TrainingMode.MANUAL
        or waiting.annotations < max(1, project.min_annotations)
        or project.is_quiet_at(now.time())
        or _still_moving(project, waiting, now)
    ):
        return None
    return TrainingRun.Trigger.ANNOTATIONS


def _still_moving(project: Project, waiting: Waiting, now: datetime) -> bool:
    if not project.debounce_s or not waiting.newest_at or not waiting.oldest_at:
        return False
    quiet = timedelta(seconds=project.debounce_s)
    if now - waiting.oldest_at >= DEBOUNCE_TIMES_MAX * quiet:
        return False
    return now - waiting.newest_at < quiet
