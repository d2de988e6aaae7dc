"""What the strategies need to know about a project, read in bounded amounts."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from django.db.models import QuerySet

from lsml.audit.models import Prediction
from lsml.dataset.models import Task
from lsml.quality.texts import beginning, is_address, text_at
from lsml.registry.models import Project

PREDICTIONS_MAX: Final = 50_000  # of one version


class Latest(NamedTuple):
    """The latest prediction of a task."""

    pk: int
    score: float | None


def newest(tasks: QuerySet[Task], most: int) -> tuple[list[int], bool]:
    """Return the IDs of the newest tasks, the newest first, and if there are more."""
    ids = tasks.order_by("-task_id").values_list("task_id", flat=True)
    found = list(ids[: most + 1])
    return found[:most], len(found) > most


def as_sent(project: Project, task_ids: list[int]) -> list[dict[str, Any]]:
    """Return tasks as Label Studio would send them, in this order."""
    tasks = Task.objects.filter(project=project, task_id__in=task_ids)
    data = dict(tasks.values_list("task_id", "data"))
    return [{"id": task, "data": data[task]} for task in task_ids if task in data]


def latest_predictions(project: Project, version: str) -> dict[int, Latest]:
    """Return a version's latest prediction per task, among its newest ones."""
    rows = Prediction.objects.with_facts(project_pk=project.pk, model_version=version)
    whole_tasks = rows.filter(
        task_id__isnull=False,
        kind__in=Prediction.TASK_KINDS,
        outcome=Prediction.Outcome.OK,
    )
    columns: Any = whole_tasks.order_by("-pk").values_list("task_id", "pk", "score")
    latest: dict[int, Latest] = {}
    for task_id, pk, score in columns[:PREDICTIONS_MAX]:
        latest.setdefault(task_id, Latest(pk, score))
    return latest


def results(pks: Iterable[int]) -> dict[int, object]:
    """Return the results of predictions by key."""
    rows = Prediction.objects.filter(pk__in=list(pks))
    return dict(rows.values_list("pk", "result"))


def texts(tasks: QuerySet[Task], keys: list[str]) -> dict[int, str]:
    """Return the beginning of the text of the tasks that have one, by ID."""
    newest_first = tasks.order_by("-task_id")
    beginnings = [beginning(text_at("data", key)) for key in keys]
    columns = newest_first.values_list("task_id", *beginnings)
    found = {
        task_id: " ".join(text for text in parts if text and not is_address(text))
        for task_id, *parts in columns
    }
    return {task_id: text for task_id, text in found.items() if text.strip()}
