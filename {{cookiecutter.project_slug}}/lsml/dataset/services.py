"""Writes of the dataset: applies events under one lock per project."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from lsml.dataset.events import Changes, ReceivedEvent, changes_in
from lsml.dataset.merge import State, merge
from lsml.dataset.models import Annotation, Task
from lsml.dataset.tables import ANNOTATIONS, ROWS_AT_ONCE, TASKS, Table
from lsml.registry.models import Project

LOCK_SPACE = 0x6C736D6C  # "lsml": keeps these advisory locks apart from others


@contextmanager
def writing(project_id: int) -> Iterator[None]:
    """Open a transaction that alone may write this project's dataset and inbox.

    The lock ends with the transaction, so it works behind a transaction-pooling
    pgbouncer. It does not lock the project's row, so webhooks never wait for it.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s, %s)",
                [LOCK_SPACE, project_id % 2**31],
            )
        yield


def apply_events(*, project: Project, events: Iterable[ReceivedEvent]) -> None:
    """Bring tasks and annotations up to date; call inside `writing`.

    The order of the events does not matter, nor does applying one twice.
    """
    changes = changes_in(events)
    _merge_into(TASKS, project, changes.tasks)
    _merge_into(ANNOTATIONS, project, changes.annotations)
    _delete_annotations_of_deleted_tasks(project, changes)


def _merge_into(
    table: Table[State], project: Project, states: dict[int, State]
) -> None:
    if not states:
        return
    known = {
        table.number(row): table.state_of(row) for row in table.rows(project, states)
    }
    merged = [
        merge(known.get(number, state), state) for number, state in states.items()
    ]
    table.model._default_manager.bulk_create(
        [table.new_row(project, state) for state in merged],
        update_conflicts=True,
        unique_fields=["project", table.key],
        update_fields=table.columns,
        batch_size=ROWS_AT_ONCE,
    )


def _delete_annotations_of_deleted_tasks(project: Project, changes: Changes) -> None:
    # Label Studio sends no events for annotations deleted with their task, and an
    # annotation's own event may arrive after its task was deleted.
    deleted = Task.objects.filter(
        project=project, task_id=OuterRef("task_id"), deleted_at__isnull=False
    )
    touched = set(changes.tasks) | {
        each.task_id for each in changes.annotations.values() if each.task_id
    }
    Annotation.objects.filter(
        Exists(deleted), project=project, task_id__in=touched, deleted_at__isnull=True
    ).update(deleted_at=timezone.now())
