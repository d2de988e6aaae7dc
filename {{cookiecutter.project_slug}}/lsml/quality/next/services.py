"""Ranks the unlabelled tasks of a project by what labelling them teaches the model."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from lsml.dataset.models import Task
from lsml.observability.origin import Origin
from lsml.quality.budget import UNLIMITED, Budget
from lsml.quality.next import reads
from lsml.registry.label_studio import task_address
from lsml.registry.models import Project

LISTED_MAX: Final = 1_000  # that a caller may ask for
_CANDIDATES_MAX: Final = 50_000  # unlabelled tasks that are looked at


class Strategy(TextChoices):
    """How the next tasks are chosen."""

    UNCERTAINTY = "uncertainty", _("Uncertainty")
    DIVERSE = "diverse", _("Diverse")
    DISAGREEMENT = "disagreement", _("Disagreement")
    RANDOM = "random", _("Random")


@dataclass(frozen=True, slots=True)
class NextTask:
    """A task to label."""

    task_id: int  # Label Studio's ID
    reason: str
    address: str  # its page in Label Studio; "" = unknown


@dataclass(frozen=True, slots=True)
class NextTasks:
    """The tasks to label next, best first, and what limits the list."""

    results: list[NextTask]
    notes: list[str]  # how it was made and what limits it; sentences


def next_tasks(
    *,
    project: Project,
    limit: int,
    origin: Origin,
    strategy: Strategy = Strategy.UNCERTAINTY,
    budget: Budget = UNLIMITED,
) -> NextTasks:
    """Rank the known tasks of a project that have no annotation.

    Reads bounded numbers of tasks and predictions, the newest ones; `notes` says if
    there are more.

    Args:
        project: with its active version.
        limit: at most so many tasks.
        origin: recorded on what the model writes, if it is loaded for this.
        strategy: how to choose them.
        budget: When it is used up, answers of versions are no longer compared, and no
            more tasks embedded.
    """
    # NumPy takes a tenth of a second, so it is not imported when web starts.
    from lsml.quality.next import rankings

    tasks = Task.objects.filter(project=project).known()
    candidates, more = reads.newest(tasks.unlabelled(), _CANDIDATES_MAX)
    if not candidates:
        return NextTasks([], [_none_left(project)])
    rankers: dict[Strategy, rankings.Ranking] = {
        Strategy.UNCERTAINTY: rankings.by_uncertainty,
        Strategy.DIVERSE: partial(rankings.by_diversity, origin=origin, budget=budget),
        Strategy.DISAGREEMENT: partial(rankings.by_disagreement, budget=budget),
        Strategy.RANDOM: rankings.at_random,
    }
    ranked = rankers[strategy](project, candidates, limit)
    notes = ranked.notes
    if more:
        most = f"{_CANDIDATES_MAX:,}"
        notes = [*notes, f"Only the newest {most} unlabelled tasks were looked at."]
    return NextTasks(
        [
            NextTask(task, reason, task_address(project, task))
            for task, reason in ranked.reasons.items()
        ],
        notes,
    )


def _none_left(project: Project) -> str:
    if Task.objects.filter(project=project).known().exists():
        return (
            "All tasks that are known here are labelled. Run manage.py sync --project"
            f" {project.labelstudio_id} if Label Studio has others."
        )
    return (
        "No task of this project is known here yet. Run manage.py sync --project"
        f" {project.labelstudio_id} to fetch them from Label Studio."
    )
