"""The four strategies applied to a project.

Imports NumPy, so import this module inside the function that uses it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from statistics import fmean
from typing import Final

from lsml.dataset.figures import percent
from lsml.dataset.measures import compare
from lsml.dataset.models import Task
from lsml.labelstudio.results import meaning, words_of
from lsml.observability.origin import Origin
from lsml.quality.budget import Budget
from lsml.quality.next import reads, strategies
from lsml.quality.next.reads import Latest
from lsml.quality.next.vectors import vectors_of
from lsml.registry.models import Project

_COMPARED_MAX: Final = 5_000  # unlabelled tasks
_LABELLED_MAX: Final = 2_000  # labelled tasks that they are compared with
_VERSIONS_MAX: Final = 3
_CONTESTED_MAX: Final = 500  # tasks whose results are compared
_RESULTS_AT_ONCE: Final = 50  # tasks; a result may have a megabyte
_WORDS_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Ranked:
    """Tasks with the reason for each, and what limits the list."""

    reasons: dict[int, str] = field(default_factory=dict)  # by task, best first
    notes: list[str] = field(default_factory=list)


Ranking = Callable[[Project, list[int], int], Ranked]


def by_uncertainty(project: Project, candidates: list[int], limit: int) -> Ranked:
    """Rank by the score of the served version's latest prediction, lowest first."""
    version = project.served_version
    latest = reads.latest_predictions(project, version)
    predicted = [task for task in candidates if task in latest]
    command = f"manage.py predict --project {project.labelstudio_id}"
    if not predicted:
        note = f"{version} has predicted no unlabelled task: run {command}."
        return Ranked(notes=[note])
    scored = [task for task in predicted if latest[task].score is not None]
    notes = []
    if lacking := len(candidates) - len(predicted):
        notes.append(
            f"{lacking:,} of {len(candidates):,} unlabelled tasks have no recent"
            f" prediction of {version}: run {command}."
        )
    if without := len(predicted) - len(scored):
        notes.append(
            f"Predictions by {version} without a score: {without:,}. Their tasks are"
            " left out. See docs/sdk.md, Scores."
        )
    order = strategies.least_certain([latest[task].score for task in scored])
    chosen = [scored[at] for at in order[:limit]]
    return Ranked(
        {task: f"score {latest[task].score:.2f} by {version}" for task in chosen}, notes
    )


def by_diversity(
    project: Project,
    candidates: list[int],
    limit: int,
    *,
    origin: Origin,
    budget: Budget,
) -> Ranked:
    """Rank tasks by how many they represent better than what is labelled does."""
    unlabelled = candidates[:_COMPARED_MAX]
    tasks = Task.objects.filter(project=project).known()
    labelled, more_labelled = reads.newest(tasks.labelled(), _LABELLED_MAX)
    found = vectors_of(
        project, unlabelled, labelled, limit=limit, origin=origin, budget=budget
    )
    ranked = strategies.most_representative(found.unlabelled, found.labelled)
    reasons = {
        found.tasks[at]: _represents(share, len(unlabelled))
        for at, share in islice(ranked, limit)
    }
    notes = [found.note]
    if reasons:
        notes.append(
            "A task represents those unlabelled tasks that it resembles more, by"
            f" {found.source}, than anything labelled or listed above it does."
        )
    if len(candidates) > _COMPARED_MAX:
        most = f"{_COMPARED_MAX:,}"
        notes.append(f"Only the newest {most} unlabelled tasks were compared.")
    if more_labelled:
        most = f"{_LABELLED_MAX:,}"
        notes.append(f"They were compared with the newest {most} labelled tasks only.")
    return Ranked(reasons, notes)


def by_disagreement(
    project: Project, candidates: list[int], limit: int, budget: Budget
) -> Ranked:
    """Rank tasks by how much the answers of the latest versions differ."""
    served = project.served_version
    others = project.versions.exclude(version=served).order_by("-number")
    names = [served, *others.values_list("version", flat=True)[: _VERSIONS_MAX - 1]]
    found = {name: reads.latest_predictions(project, name) for name in names}
    found = {name: latest for name, latest in found.items() if latest}
    all_shared = _shared(found, candidates)
    shared = all_shared[:_CONTESTED_MAX]
    if not shared:
        return Ranked(notes=[_too_few(project, list(found))])
    contested: dict[int, float] = {}
    said: dict[int, str] = {}
    compared = 0
    while compared < len(shared) and not budget.is_used_up:
        answers = _answers(found, shared[compared : compared + _RESULTS_AT_ONCE])
        compared += _RESULTS_AT_ONCE
        differing = strategies.disagreement(list(answers.values()), _difference)
        contested |= differing
        said |= {task: _said(answers, task, differing[task]) for task in differing}
    order = sorted(contested, key=lambda task: -contested[task])
    notes = []
    compared = min(compared, len(shared))
    if len(all_shared) > compared:
        notes.append(f"Only the {compared} least certain tasks were compared.")
    if not contested:
        who = " and ".join(found)
        notes.append(f"Compared tasks: {compared:,}. {who} agree on all of them.")
    return Ranked({task: said[task] for task in order[:limit]}, notes)


def at_random(project: Project, candidates: list[int], limit: int) -> Ranked:
    """Pick a sample, the same again while the unlabelled tasks are the same."""
    order = strategies.random_order(len(candidates), seed=project.pk)
    return Ranked({candidates[at]: "picked at random" for at in order[:limit]})


def _represents(share: float, tasks: int) -> str:
    if not share:
        return "represents no other task"
    return f"represents {percent(share, tasks)} of the unlabelled tasks"


# --- Disagreement ---


def _shared(found: dict[str, dict[int, Latest]], candidates: list[int]) -> list[int]:
    """Return the tasks that several versions predicted, the least certain first."""
    shared = [
        task
        for task in candidates
        if sum(task in latest for latest in found.values()) > 1
    ]
    first = next(iter(found.values()), {})
    scores = [first[task].score if task in first else None for task in shared]
    return [shared[at] for at in strategies.least_certain(scores)]


def _answers(
    found: dict[str, dict[int, Latest]], tasks: list[int]
) -> dict[str, dict[int, object]]:
    """Return the results of some tasks, by version and task."""
    keys = {
        name: {task: latest[task].pk for task in tasks if task in latest}
        for name, latest in found.items()
    }
    results = reads.results(pk for by_task in keys.values() for pk in by_task.values())
    return {
        name: {task: results.get(pk) for task, pk in by_task.items()}
        for name, by_task in keys.items()
    }


def _difference(one: object, other: object) -> float:
    if meaning(one) == meaning(other):
        return 0.0
    scores = compare(_regions(one), _regions(other))
    return 1 - fmean(score.value for score in scores) if scores else 0.0


def _regions(result: object) -> list[object]:
    return result if isinstance(result, list) else []


def _said(answers: dict[str, dict[int, object]], task: int, difference: float) -> str:
    says = {
        name: _in_words(by_task[task])
        for name, by_task in answers.items()
        if task in by_task
    }
    if len(set(says.values())) > 1:
        return ", ".join(f"{name} says {words}" for name, words in says.items())
    return f"the regions of {' and '.join(says)} differ by {percent(difference)}"


def _in_words(result: object) -> str:
    words = words_of(result)
    more = " …" if len(words) > _WORDS_SHOWN else ""
    return ", ".join(words[:_WORDS_SHOWN])[:60] + more or "nothing"


def _too_few(project: Project, predicted: list[str]) -> str:
    by = f"only {predicted[0]} has any" if len(predicted) == 1 else "there is none"
    if len(predicted) > 1:
        by = f"{' and '.join(predicted)} predicted different ones"
    return (
        "Two versions must have predicted the same unlabelled tasks, but in the newest"
        f" predictions {by}. Run manage.py predict --project"
        f" {project.labelstudio_id} now, and again after the next promotion."
    )
