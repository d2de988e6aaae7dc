"""Chooses the tasks of live predictions that a version in shadow predicts too."""

from collections.abc import Iterable
from typing import Final

from django.db import connection, transaction

from lsml.audit.newest import NewRows, latest_seal, newest_predictions
from lsml.dataset.share import in_share
from lsml.inference.models import Shadow, ShadowTask
from lsml.registry.models import Project

WAITING_MAX: Final = 1_000  # tasks; a slower version predicts fewer than the share


def get_or_create_shadow(project: Project) -> Shadow:
    """Return how far the project's version in shadow is; a new one begins now."""
    shadow, _ = Shadow.objects.get_or_create(
        version_id=project.shadow_version_id, defaults={"seal_number": latest_seal()}
    )
    return shadow


def choose_tasks(project: Project, shadow: Shadow) -> None:
    """Note the tasks asked for since the last call that belong to the share.

    Whatever is interrupted or runs twice, each is noted once.
    """
    new = newest_predictions(shadow.seal_number)
    if new is None:
        return
    chosen = [
        task_id
        for task_id in _asked_for(project, new)
        if is_chosen(project.pk, task_id, project.shadow_percent)
    ]
    with transaction.atomic():
        unchanged = Shadow.objects.select_for_update().filter(
            pk=shadow.pk, seal_number=shadow.seal_number
        )
        locked = unchanged.first()
        if locked is not None:
            locked.dropped += _note(locked, chosen)
            locked.seal_number = new.position
            locked.save(update_fields=["dropped", "seal_number"])


def is_chosen(project_pk: int, task_id: int, percent: int) -> bool:
    """Return whether a task belongs to the share, always the same ones.

    Independent of which tasks are held out.
    """
    return in_share(f"shadow:{project_pk}:{task_id}", percent)


def _asked_for(project: Project, new: NewRows) -> list[int]:
    """Return the tasks that Label Studio asked for, the latest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT task_id FROM audit_prediction"
            f" WHERE {new.condition} AND project_pk = %s AND kind = 'batch'"
            " AND task_id IS NOT NULL GROUP BY task_id ORDER BY max(id) DESC",
            [project.pk],
        )
        return [task_id for (task_id,) in cursor]


def _note(shadow: Shadow, chosen: Iterable[int]) -> int:
    """Add the tasks that are new, and return how many had to be dropped."""
    chosen = list(chosen)
    known = set(
        shadow.tasks.filter(task_id__in=chosen).values_list("task_id", flat=True)
    )
    new = [task_id for task_id in chosen if task_id not in known]
    room = WAITING_MAX - shadow.tasks.filter(state=ShadowTask.State.WAITING).count()
    kept = new[: max(0, room)]
    ShadowTask.objects.bulk_create(
        ShadowTask(shadow=shadow, task_id=task_id) for task_id in reversed(kept)
    )
    return len(new) - len(kept)
