"""What events say of tasks and annotations, merged so that their order is no matter.

The newest by Label Studio's clock wins, a deletion is final. No queries here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from lsml.dataset.models import Annotation, Task
from lsml.labelstudio.reading import JsonObject, as_id
from lsml.labelstudio.webhooks import (
    ANNOTATIONS_DELETED,
    ANNOTATIONS_WRITTEN,
    TASKS_DELETED,
    WebhookRequest,
)

Row = TypeVar("Row", Task, Annotation)


@dataclass(frozen=True, slots=True)
class Told:
    """One event, and when we heard of it."""

    request: WebhookRequest
    received_at: datetime


@dataclass(slots=True)
class Changes:
    """The newest state a batch of events tells of, by Label Studio's ids."""

    tasks: dict[int, Task] = field(default_factory=dict)
    annotations: dict[int, Annotation] = field(default_factory=dict)


def changes_told(events: Iterable[Told], *, project_id: int) -> Changes:
    """Collect what the events say."""
    changes = Changes()
    for event in events:
        for task in _tasks(event, project_id):
            known = changes.tasks.get(task.task_id)
            changes.tasks[task.task_id] = newest(known, task)
        for annotation in _annotations(event, project_id):
            key = annotation.annotation_id
            changes.annotations[key] = newest(changes.annotations.get(key), annotation)
    return changes


def newest(known: Row | None, told: Row) -> Row:
    """Of two states of one thing the one that counts; of equals, the one told last."""
    if known is None or (known.deleted_at and _came_back(known, told)):
        return told
    if told.deleted_at is not None or known.deleted_at is not None:
        known.deleted_at = known.deleted_at or told.deleted_at
        return known  # what it was stays readable
    return told if told.updated_at >= known.updated_at else known


def _came_back(known: Row, told: Row) -> bool:
    """Whether the number stands for another thing now.

    On SQLite, Label Studio gives an import the numbers after the largest in use, so
    those of what was deleted last are used again.
    """
    if known.created_at is None or told.created_at is None:
        return False
    return told.created_at > known.created_at


def _tasks(event: Told, project_id: int) -> Iterator[Task]:
    deleted = event.request.action == TASKS_DELETED
    for sent in event.request.tasks:
        task_id = as_id(sent.get("id"))
        if task_id is None or not (deleted or isinstance(sent.get("data"), dict)):
            continue
        yield Task(
            project_id=project_id,
            task_id=task_id,
            data=_object(sent.get("data")),
            meta=_object(sent.get("meta")),
            created_at=_moment(sent.get("created_at")),
            updated_at=_moment(sent.get("updated_at")) or event.received_at,
            deleted_at=event.received_at if deleted else None,
        )


def _annotations(event: Told, project_id: int) -> Iterator[Annotation]:
    deleted = event.request.action in ANNOTATIONS_DELETED
    if not deleted and event.request.action not in ANNOTATIONS_WRITTEN:
        return
    for sent in event.request.annotations:
        annotation_id = as_id(sent.get("id"))
        if annotation_id is not None:
            annotation = _annotation(sent, annotation_id, event.received_at)
            annotation.project_id = project_id
            annotation.task_id = as_id(sent.get("task")) or event.request.task_id
            annotation.deleted_at = event.received_at if deleted else None
            yield annotation


def _annotation(
    sent: JsonObject, annotation_id: int, received_at: datetime
) -> Annotation:
    result = sent.get("result")
    lead_time = sent.get("lead_time")
    return Annotation(
        annotation_id=annotation_id,
        result=result if isinstance(result, list) else [],
        was_cancelled=bool(sent.get("was_cancelled")),
        ground_truth=bool(sent.get("ground_truth")),
        completed_by=as_id(sent.get("completed_by")),
        lead_time=lead_time if isinstance(lead_time, (int, float)) else None,
        parent_prediction=as_id(sent.get("parent_prediction")),
        created_at=_moment(sent.get("created_at")),
        updated_at=_moment(sent.get("updated_at")) or received_at,
    )


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
