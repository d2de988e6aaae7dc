"""Annotated tasks as the SDK's `AnnotatedTask`, from rows of the dataset."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from label_studio_ml.training import AnnotatedTask
from lsml.dataset.models import Annotation
from lsml.registry.models import Project


def annotated_tasks(
    project: Project, rows: Iterable[Annotation]
) -> list[AnnotatedTask]:
    """Return the existing tasks of these annotations, by Label Studio's ID."""
    by_task: dict[int, list[Annotation]] = defaultdict(list)
    for row in sorted(rows, key=lambda each: each.updated_at):  # oldest first
        if row.task_id is not None:
            by_task[row.task_id].append(row)
    return [
        AnnotatedTask(
            id=task.task_id,
            data=task.data,
            meta=task.meta,
            annotations=[_as_json(row) for row in by_task[task.task_id]],
        )
        for task in project.tasks.filter(
            task_id__in=list(by_task), deleted_at__isnull=True
        ).order_by("task_id")
    ]


def _as_json(row: Annotation) -> dict[str, Any]:
    return {
        "id": row.annotation_id,
        "task": row.task_id,
        "result": row.result,
        "was_cancelled": row.was_cancelled,
        "ground_truth": row.ground_truth,
        "completed_by": row.completed_by,
        "lead_time": row.lead_time,
        "parent_prediction": row.parent_prediction,
        "created_at": row.created_at and row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
    }
