"""Compares pages of Label Studio's tasks with the dataset and corrects the dataset."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from lsml.dataset.merge import OLDEST, State, content, is_newer, is_successor
from lsml.dataset.models import Annotation, Task
from lsml.dataset.tables import ANNOTATIONS, ROWS_AT_ONCE, TASKS, Table
from lsml.labelstudio.reading import JsonObject, as_id
from lsml.labelstudio.task_json import (
    AnnotationState,
    TaskState,
    nested_annotations,
)
from lsml.registry.models import Project


@dataclass(frozen=True, slots=True)
class Known:
    """The content of the dataset before the first page was fetched.

    A page can only contradict what was known by then. A row that a webhook adds or
    deletes while pages are being fetched is newer than the page.
    """

    tasks: list[int]  # not deleted; ascending
    deleted_tasks: frozenset[int]
    annotations: dict[int, list[int]]  # task -> those not deleted
    deleted_annotations: frozenset[int]

    @classmethod
    def of(cls, project: Project, *, after: int = 0) -> "Known":
        """Read the IDs of tasks above `after` and of their annotations."""
        tasks = Task.objects.filter(project=project, task_id__gt=after)
        annotations = Annotation.objects.filter(project=project, task_id__gt=after)
        by_task: defaultdict[int, list[int]] = defaultdict(list)
        pairs = annotations.filter(deleted_at__isnull=True)
        for task_id, number in pairs.values_list("task_id", "annotation_id"):
            by_task[cast("int", task_id)].append(number)
        deleted_tasks, deleted_annotations = (
            rows.filter(deleted_at__isnull=False) for rows in (tasks, annotations)
        )
        return cls(
            tasks=sorted(_ids(tasks.filter(deleted_at__isnull=True), "task_id")),
            deleted_tasks=frozenset(_ids(deleted_tasks, "task_id")),
            annotations=dict(by_task),
            deleted_annotations=frozenset(_ids(deleted_annotations, "annotation_id")),
        )

    def tasks_between(self, after: int, upto: int | None) -> list[int]:
        """Return the tasks above `after`, up to and including `upto`; None = all."""
        last = len(self.tasks) if upto is None else bisect_right(self.tasks, upto)
        return self.tasks[bisect_right(self.tasks, after) : last]


def reconcile_page(
    *, project: Project, known: Known, tasks: list[JsonObject], at: datetime
) -> Counter[str]:
    """Make the dataset hold these tasks and their annotations as Label Studio does.

    The caller owns the transaction.

    Args:
        project: the project of the dataset.
        known: the dataset before the page was fetched.
        tasks: the page, as Label Studio sent it.
        at: time of the comparison; becomes `deleted_at` of missing annotations.

    Returns:
        The differences, such as `annotations removed`: 3.
    """
    listed_tasks = _by_number(
        TASKS, (TaskState.read(each, undated=OLDEST) for each in tasks)
    )
    listed_annotations = _by_number(
        ANNOTATIONS,
        (
            AnnotationState.read(each, undated=OLDEST)
            for each in nested_annotations(tasks)
        ),
    )
    missing = [
        number
        for task_id in listed_ids(tasks)
        for number in known.annotations.get(task_id, ())
        if number not in listed_annotations
    ]
    return (
        _correct(TASKS, project, listed_tasks, known.deleted_tasks)
        + _correct(ANNOTATIONS, project, listed_annotations, known.deleted_annotations)
        + _mark_deleted(ANNOTATIONS, project, at, annotation_id__in=missing)
    )


def remove_tasks(
    *, project: Project, task_ids: list[int], at: datetime
) -> Counter[str]:
    """Mark tasks that Label Studio no longer has as deleted, with their annotations."""
    return _mark_deleted(TASKS, project, at, task_id__in=task_ids) + _mark_deleted(
        ANNOTATIONS, project, at, task_id__in=task_ids
    )


def listed_ids(tasks: Iterable[JsonObject]) -> list[int]:
    """Return the task IDs of a page, in its order."""
    numbers = (as_id(task.get("id")) for task in tasks)
    return [number for number in numbers if number is not None]


def _ids(rows: Any, name: str) -> Iterable[int]:
    return cast("Iterable[int]", rows.values_list(name, flat=True).iterator())


def _by_number(table: Table[State], states: Iterable[State | None]) -> dict[int, State]:
    return {table.number(state): state for state in states if state is not None}


def _mark_deleted(
    table: Table[State], project: Project, at: datetime, **ids: list[int]
) -> Counter[str]:
    rows = table.model._default_manager.filter(
        project=project, deleted_at__isnull=True, **ids
    )
    removed = rows.update(deleted_at=at) if any(ids.values()) else 0
    return Counter({f"{table.noun} removed": removed} if removed else {})


def _correct(
    table: Table[State],
    project: Project,
    listed: dict[int, State],
    deleted_before: Collection[int],
) -> Counter[str]:
    """Add and change rows, but leave those that an event has since made newer."""
    differences: Counter[str] = Counter()
    present: set[int] = set()
    changed = []
    for row in table.rows(project, listed).select_for_update():
        number = table.number(row)
        present.add(number)
        held, wanted = table.state_of(row), listed[number]
        words = _differences(held, wanted, deleted_before=number in deleted_before)
        if words is None:
            continue
        differences.update(f"{table.noun} {word}" for word in words)
        if words or wanted.updated_at != held.updated_at:
            created_at = wanted.created_at or held.created_at
            table.copy(replace(wanted, created_at=created_at), row)
            changed.append(row)
    manager = table.model._default_manager
    manager.bulk_update(changed, table.columns, batch_size=ROWS_AT_ONCE)
    new = [
        table.new_row(project, state)
        for number, state in listed.items()
        if number not in present
    ]
    manager.bulk_create(new, ignore_conflicts=True, batch_size=ROWS_AT_ONCE)
    if new:
        differences[f"{table.noun} added"] += len(new)
    return differences


def _differences(
    held: State, listed: State, *, deleted_before: bool
) -> list[str] | None:
    """Return what Label Studio changes in the dataset; None = the dataset is newer.

    Of two states with the same time Label Studio's counts, because it is the source.
    """
    if is_successor(listed, held):
        return ["added"] if held.deleted_at else ["removed", "added"]
    if held.deleted_at:
        return ["restored"] if deleted_before else None
    if is_newer(held, listed):
        return None
    return ["changed"] if content(held) != content(listed) else []
