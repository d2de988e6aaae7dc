"""Writes of the dataset: what events tell, merged into it under one lock."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from lsml.dataset.merging import Changes, Row, Told, changes_told, newest
from lsml.dataset.models import Annotation, Task
from lsml.registry.models import Project

_LOCK_SPACE = 0x6C736D6C  # "lsml": this service's corner of the advisory locks
_ROWS_AT_ONCE = 500
_TASK_FIELDS = ["data", "meta", "created_at", "updated_at", "deleted_at"]
_ANNOTATION_FIELDS = [
    "task_id", "result", "was_cancelled", "ground_truth", "completed_by", "lead_time",
    "parent_prediction", "created_at", "updated_at", "deleted_at",
]  # fmt: skip


@contextmanager
def writing(project_id: int) -> Iterator[None]:
    """A transaction that alone writes this project's dataset and empties its inbox.

    The lock ends with the transaction, so it works behind a transaction-pooling
    pgbouncer; it is not the project's row, so no webhook ever waits for it.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s, %s)",
                [_LOCK_SPACE, project_id % 2**31],
            )
        yield


def apply_events(*, project: Project, events: Iterable[Told]) -> None:
    """Bring tasks and annotations up to date; call inside `writing`.

    Events in another order, or told twice, end in the same dataset.
    """
    apply_changes(project=project, changes=changes_told(events, project_id=project.pk))


def apply_changes(*, project: Project, changes: Changes) -> None:
    """Merge states told by whatever source; call inside `writing`."""
    _merge(project.tasks.all(), "task_id", changes.tasks, _TASK_FIELDS)
    _merge(
        project.annotations.all(),
        "annotation_id",
        changes.annotations,
        _ANNOTATION_FIELDS,
    )
    _delete_with_their_tasks(project, changes)


def _merge(
    rows: QuerySet[Row], key: str, told: dict[int, Row], fields: list[str]
) -> None:
    if not told:
        return
    known = {
        getattr(row, key): row for row in rows.filter(**{f"{key}__in": list(told)})
    }
    merged = [newest(known.get(number), row) for number, row in told.items()]
    for row in merged:
        row.pk = None  # (project, key) says which row it is
    rows.model._default_manager.bulk_create(
        merged,
        update_conflicts=True,
        unique_fields=["project", key],
        update_fields=fields,
        batch_size=_ROWS_AT_ONCE,
    )


def _delete_with_their_tasks(project: Project, changes: Changes) -> None:
    # Label Studio tells of deleted tasks but not of the annotations that went with
    # them; and an annotation's own event may come in after its task's end.
    deleted = Task.objects.filter(
        project=project, task_id=OuterRef("task_id"), deleted_at__isnull=False
    )
    touched = set(changes.tasks) | {
        each.task_id for each in changes.annotations.values() if each.task_id
    }
    Annotation.objects.filter(
        Exists(deleted), project=project, task_id__in=touched, deleted_at__isnull=True
    ).update(deleted_at=timezone.now())
