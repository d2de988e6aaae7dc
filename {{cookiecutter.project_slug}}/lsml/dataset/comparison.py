"""Compares a page of Label Studio's tasks with the dataset, and mends the dataset."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from lsml.dataset.models import Annotation, Task
from lsml.labelstudio.reading import JsonObject
from lsml.labelstudio.secrets import masked
from lsml.registry.models import Project


@dataclass(frozen=True, slots=True)
class Known:
    """What the dataset held before Label Studio was asked.

    Only what was known by then can be missed in an answer: a row that a webhook adds
    or deletes while pages are being fetched is newer than the page.
    """

    tasks: list[int]  # not deleted; ascending
    deleted_tasks: frozenset[int]
    annotations: dict[int, list[int]]  # task -> those not deleted
    deleted_annotations: frozenset[int]

    @classmethod
    def of(cls, project: Project, *, after: int = 0) -> "Known":
        """The rows of tasks above `after`; ids only."""
        tasks = Task.objects.filter(project=project, task_id__gt=after)
        annotations = Annotation.objects.filter(project=project, task_id__gt=after)
        alive: defaultdict[int, list[int]] = defaultdict(list)
        pairs = annotations.filter(deleted_at__isnull=True)
        for task_id, number in pairs.values_list("task_id", "annotation_id"):
            alive[cast("int", task_id)].append(number)
        gone, gone_too = (
            rows.filter(deleted_at__isnull=False) for rows in (tasks, annotations)
        )
        return cls(
            tasks=sorted(_ids(tasks.filter(deleted_at__isnull=True), "task_id")),
            deleted_tasks=frozenset(_ids(gone, "task_id")),
            annotations=dict(alive),
            deleted_annotations=frozenset(_ids(gone_too, "annotation_id")),
        )

    def tasks_between(self, after: int, upto: int | None) -> list[int]:
        """Tasks above `after` and up to `upto`; None is the end."""
        last = len(self.tasks) if upto is None else bisect_right(self.tasks, upto)
        return self.tasks[bisect_right(self.tasks, after) : last]


def _ids(rows: Any, name: str) -> Iterable[int]:
    return cast("Iterable[int]", rows.values_list(name, flat=True).iterator())


def bring_up_to_date(
    *, project: Project, known: Known, tasks: list[JsonObject], at: datetime
) -> Counter[str]:
    """Make the dataset hold these tasks and their annotations as Label Studio does.

    The caller owns the transaction.

    Returns:
        What differed, such as `annotations removed`: 3.
    """
    annotations = [
        annotation
        for task in tasks
        for annotation in cast("list[JsonObject]", task.get("annotations") or [])
    ]
    listed = {annotation["id"] for annotation in annotations}
    missing = [
        number
        for task in tasks
        for number in known.annotations.get(cast("int", task["id"]), ())
        if number not in listed
    ]
    new_tasks = {_id(task): _task(task) for task in tasks}
    new_annotations = {_id(each): _annotation(each) for each in annotations}
    return (
        _mend(Task, new_tasks, known.deleted_tasks, project)
        + _mend(Annotation, new_annotations, known.deleted_annotations, project)
        + _remove(Annotation, project, annotation_id=missing, at=at)
    )


def remove_tasks(
    *, project: Project, task_ids: list[int], at: datetime
) -> Counter[str]:
    """Mark tasks that Label Studio no longer has as deleted, with their annotations."""
    return _remove(Task, project, task_id=task_ids, at=at) + _remove(
        Annotation, project, task_id=task_ids, at=at
    )


def _remove(
    model: Any, project: Project, *, at: datetime, **ids: list[int]
) -> Counter[str]:
    [(name, numbers)] = ids.items()
    rows = model.objects.filter(
        project=project, deleted_at__isnull=True, **{f"{name}__in": numbers}
    )
    removed = rows.update(deleted_at=at) if numbers else 0
    return Counter(
        {f"{model._meta.verbose_name_plural} removed": removed} if removed else {}
    )


def _mend(
    model: Any,
    wanted: dict[int, dict[str, Any]],
    deleted_before: frozenset[int],
    project: Project,
) -> Counter[str]:
    """Add and change rows; a row that an event made newer meanwhile is left alone."""
    key, nouns = f"{model._meta.model_name}_id", model._meta.verbose_name_plural
    differences: Counter[str] = Counter()
    rows = model.objects.select_for_update().filter(
        project=project, **{f"{key}__in": list(wanted)}
    )
    present = {getattr(row, key): row for row in rows}
    changed = []
    for number, row in present.items():
        fields = wanted[number]
        words = _differences(row, fields)
        if "added" not in words and _is_newer(row, fields, number in deleted_before):
            continue
        differences.update(f"{nouns} {word}" for word in words)
        if words or fields["updated_at"] != row.updated_at:
            for name, value in (fields | {"deleted_at": None}).items():
                setattr(row, name, value)
            changed.append(row)
    names = [*next(iter(wanted.values()), {}), "deleted_at"]
    model.objects.bulk_update(changed, names, batch_size=500)
    new = [
        model(project=project, **{key: number}, **fields)
        for number, fields in wanted.items()
        if number not in present
    ]
    model.objects.bulk_create(new, ignore_conflicts=True, batch_size=500)
    if new:
        differences[f"{nouns} added"] += len(new)
    return differences


def _is_newer(row: Any, fields: dict[str, Any], deleted_before: bool) -> bool:
    if row.deleted_at:
        return not deleted_before  # deleted since the page was fetched
    return bool(fields["updated_at"] < row.updated_at)


def _differences(row: Any, fields: dict[str, Any]) -> list[str]:
    if row.created_at and fields["created_at"] > row.created_at:
        # The number came back for another thing; see `merging`.
        return ["added"] if row.deleted_at else ["removed", "added"]
    if row.deleted_at:
        return ["restored"]
    differs = any(
        getattr(row, name) != value
        for name, value in fields.items()
        if name not in {"updated_at", "created_at"}
    )
    return ["changed"] if differs else []


def _task(task: JsonObject) -> dict[str, Any]:
    # Masked as in the events, or each sync would find the same secrets changed.
    return {
        "data": cast("JsonObject", masked({"data": task.get("data") or {}}))["data"],
        "meta": masked(task.get("meta") or {}),
        "created_at": _moment(task.get("created_at")),
        "updated_at": _moment(task.get("updated_at")),
    }


def _annotation(annotation: JsonObject) -> dict[str, Any]:
    return {
        "task_id": annotation.get("task"),
        "result": masked(annotation.get("result") or []),
        "was_cancelled": bool(annotation.get("was_cancelled")),
        "ground_truth": bool(annotation.get("ground_truth")),
        "completed_by": _user(annotation.get("completed_by")),
        "lead_time": annotation.get("lead_time"),
        "parent_prediction": annotation.get("parent_prediction"),
        "created_at": _moment(annotation.get("created_at")),
        "updated_at": _moment(annotation.get("updated_at")),
    }


def _id(item: JsonObject) -> int:
    return cast("int", item["id"])


def _user(value: object) -> object:
    """The id of a user, who comes as a number or as an object."""
    return value.get("id") if isinstance(value, dict) else value


def _moment(value: object) -> datetime:
    """Label Studio's clock; what it does not date counts as oldest."""
    if not isinstance(value, str):
        return datetime(1970, 1, 1, tzinfo=UTC)
    return datetime.fromisoformat(value)
