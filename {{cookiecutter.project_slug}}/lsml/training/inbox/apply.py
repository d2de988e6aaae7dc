"""Applies waiting events to the dataset."""

from collections.abc import Iterator
from typing import cast

from django.utils import timezone

from lsml.audit.models import WebhookEvent
from lsml.dataset.agreement import update_agreements
from lsml.dataset.events import ReceivedEvent
from lsml.dataset.services import apply_events, writing
from lsml.labelstudio.errors import WireError
from lsml.labelstudio.webhooks import WebhookRequest
from lsml.registry.models import Project
from lsml.training.models import InboxEntry

EVENTS_AT_ONCE = 500


def apply_waiting(project: Project) -> None:
    """Bring the dataset up to date, in transactions of at most 500 events."""
    applied = EVENTS_AT_ONCE
    while applied == EVENTS_AT_ONCE:
        with writing(project.pk):
            applied = apply_some(project)


def apply_some(project: Project) -> int:
    """Apply the oldest unapplied events; call inside `writing`. Returns how many."""
    entries = InboxEntry.objects.filter(
        project=project, applied_at__isnull=True, payload_missing=False
    )
    event_ids = list(
        entries.order_by("event_id").values_list("event_id", flat=True)[:EVENTS_AT_ONCE]
    )
    if event_ids:
        apply_events(project=project, events=_received(event_ids))
        changed = WebhookEvent.objects.filter(pk__in=event_ids)
        update_agreements(
            project=project,
            annotation_ids={
                annotation_id
                for ids in changed.values_list("annotation_ids", flat=True)
                for annotation_id in ids
            },
        )
        InboxEntry.objects.filter(event_id__in=event_ids).update(
            applied_at=timezone.now()
        )
    return len(event_ids)


def _received(event_ids: list[int]) -> Iterator[ReceivedEvent]:
    for event in events_in_order(event_ids):
        try:
            request = WebhookRequest.parse(event.payload)
        except WireError:
            continue  # it was accepted, so it was readable: masking cannot break it
        yield ReceivedEvent(request=request, received_at=event.received_at)


def events_in_order(event_ids: list[int]) -> list[WebhookEvent]:
    """The audit rows of these events, as they were received."""
    events = WebhookEvent.objects.filter(pk__in=event_ids).order_by("pk")
    return cast("list[WebhookEvent]", list(events))
