"""The hold-out: annotated tasks that versions are measured on, never trained on.

Which tasks these are follows from a rule alone, so every run of a project, every
process and every reader of a snapshot finds the same ones, and a task stays held out
when others come and go.
"""

from typing import Final

from label_studio_ml.training import AnnotatedTask
from lsml.dataset.annotated import annotated_tasks
from lsml.dataset.models import Annotation, Snapshot
from lsml.dataset.share import in_share
from lsml.registry.models import Project

ANNOTATED_TASKS_MIN: Final = 30  # with fewer, nothing is held out


def is_held_out(project_pk: int, task_id: int, percent: int) -> bool:
    """Return whether the rule of `in_share` holds a task out.

    Args:
        project_pk: Primary key of the project.
        task_id: Label Studio's.
        percent: The share of all tasks, 0 to 100.
    """
    return in_share(f"{project_pk}:{task_id}", percent)


def percent_in_force(project: Project, annotated: int) -> int:
    """Return the percentage that a snapshot taken now holds out.

    A project whose tasks were held out before keeps them so, even if it has fewer now.

    Args:
        project: The project.
        annotated: How many annotated tasks it has.
    """
    started = project.snapshots.filter(holdout_percent__gt=0)
    if annotated >= ANNOTATED_TASKS_MIN or started.exists():
        return project.holdout_percent
    return 0


def held_out_tasks(snapshot: Snapshot) -> list[AnnotatedTask]:
    """Return the tasks that a snapshot holds out, with their annotations as of now.

    Tasks that were deleted since, or have no annotation any more, are left out.
    """
    project = snapshot.project
    rows = Annotation.objects.trainable().filter(
        project=project, task_id__in=task_ids_of(snapshot, snapshot.held_out_ids)
    )
    return annotated_tasks(project, rows.order_by("annotation_id"))


def trained_task_ids(snapshot: Snapshot) -> set[int]:
    """Return the tasks (Label Studio's IDs) of the annotations trained on."""
    return task_ids_of(snapshot, snapshot.annotation_ids)


def task_ids_of(snapshot: Snapshot, annotation_ids: list[int]) -> set[int]:
    """Return the tasks (Label Studio's IDs) of some of a snapshot's annotations."""
    annotations = Annotation.objects.filter(
        project_id=snapshot.project_id, annotation_id__in=annotation_ids
    )
    task_ids = annotations.values_list("task_id", flat=True)
    return {task_id for task_id in task_ids if task_id is not None}
