"""Collects the states of tasks and annotations from webhook events; no queries."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from lsml.dataset.merge import OLDEST, merge
from lsml.labelstudio.task_json import AnnotationState, TaskState
from lsml.labelstudio.webhooks import (
    ANNOTATIONS_DELETED,
    ANNOTATIONS_WRITTEN,
    TASKS_DELETED,
    WebhookRequest,
)


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """A webhook event and when it was received."""

    request: WebhookRequest
    received_at: datetime


@dataclass(slots=True)
class Changes:
    """The merged states of a batch of events, by Label Studio's IDs."""

    tasks: dict[int, TaskState] = field(default_factory=dict)
    annotations: dict[int, AnnotationState] = field(default_factory=dict)


def changes_in(events: Iterable[ReceivedEvent]) -> Changes:
    """Merge the states in the events, by task and by annotation."""
    changes = Changes()
    for event in events:
        for task in _tasks(event):
            earlier = changes.tasks.get(task.task_id, task)
            changes.tasks[task.task_id] = merge(earlier, task)
        for annotation in _annotations(event):
            key = annotation.annotation_id
            known = changes.annotations.get(key, annotation)
            changes.annotations[key] = merge(known, annotation)
    return changes


def _tasks(event: ReceivedEvent) -> Iterator[TaskState]:
    deleted = event.request.action == TASKS_DELETED
    for sent in event.request.tasks:
        state = TaskState.read(
            sent,
            undated=_undated(event, deleted=deleted),
            deleted_at=event.received_at if deleted else None,
        )
        if state is not None:
            yield state


def _annotations(event: ReceivedEvent) -> Iterator[AnnotationState]:
    deleted = event.request.action in ANNOTATIONS_DELETED
    if not deleted and event.request.action not in ANNOTATIONS_WRITTEN:
        return
    for sent in event.request.annotations:
        state = AnnotationState.read(
            sent,
            undated=_undated(event, deleted=deleted),
            task_id=event.request.task_id,
            deleted_at=event.received_at if deleted else None,
        )
        if state is not None:
            yield state


def _undated(event: ReceivedEvent, *, deleted: bool) -> datetime:
    # A deletion carries only the ID, so its empty content must never win.
    return OLDEST if deleted else event.received_at
