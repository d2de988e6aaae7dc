"""Moves events: into the dataset, to a run, back into the inbox, or set aside."""

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from django.utils import timezone

from lsml.audit.models import WebhookEvent
from lsml.dataset.agreement import update_agreements
from lsml.dataset.events import ReceivedEvent
from lsml.dataset.services import apply_events, writing
from lsml.labelstudio.errors import WireError
from lsml.labelstudio.webhooks import WebhookRequest
from lsml.registry.models import Project
from lsml.training.models import InboxEntry, RunEvent, RunEventQuerySet, TrainingRun

EVENTS_AT_ONCE = 500


def apply_waiting(project: Project) -> None:
    """Bring the dataset up to date, in transactions of at most 500 events."""
    applied = EVENTS_AT_ONCE
    while applied == EVENTS_AT_ONCE:
        with writing(project.pk):
            applied = apply_some(project)


def apply_some(project: Project) -> int:
    """Apply the oldest unapplied events; call inside `writing`.

    Returns:
        The number of events applied, at most EVENTS_AT_ONCE.
    """
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
            continue  # cannot happen: it was readable when it was accepted
        yield ReceivedEvent(request=request, received_at=event.received_at)


def events_in_order(event_ids: list[int]) -> list[WebhookEvent]:
    """Return the audit rows of these events, in the order received."""
    events = WebhookEvent.objects.filter(pk__in=event_ids).order_by("pk")
    return cast("list[WebhookEvent]", list(events))


# --- Events and runs ---


def take_events(run: TrainingRun) -> None:
    """Apply all waiting events and assign them to the run; call inside `writing`.

    A second attempt keeps the events that the first one took, and takes no others.
    """
    if run.events.exists():
        return
    while apply_some(run.project) == EVENTS_AT_ONCE:
        pass
    entries = InboxEntry.objects.filter(project=run.project, applied_at__isnull=False)
    taken = list(entries.order_by("event_id"))
    RunEvent.objects.bulk_create(
        [
            RunEvent(
                run=run,
                event_id=entry.event_id,
                action=entry.action,
                received_at=entry.received_at,
                annotations=entry.annotations,
            )
            for entry in taken
        ],
        batch_size=EVENTS_AT_ONCE,
    )
    InboxEntry.objects.filter(event_id__in=[entry.event_id for entry in taken]).delete()


def give_back(run: TrainingRun) -> None:
    """Put the events of a failed or cancelled run back into the inbox, as held.

    Events that are set aside stay with the run.
    """
    _put_back(run.events.filter(error=""))


def set_aside(run: TrainingRun, errors: Mapping[str, str]) -> None:
    """Mark events that a legacy `fit` failed on; call inside `writing`.

    Args:
        run: The run that took the events.
        errors: Event id -> the error's text, masked and bounded.
    """
    events = list(run.events.filter(event_id__in=map(int, errors)))
    for event in events:
        event.error = errors[str(event.event_id)]
    RunEvent.objects.bulk_update(events, ["error"], batch_size=EVENTS_AT_ONCE)


def retry_set_aside(events: RunEventQuerySet) -> int:
    """Put events that are set aside back into the inbox; call inside `writing`.

    Returns:
        The number of events.
    """
    waiting = list(events.set_aside())
    _put_back(waiting)
    RunEvent.objects.filter(pk__in=[event.pk for event in waiting]).update(
        retried_at=timezone.now()
    )
    return len(waiting)


def _put_back(events: Iterable[RunEvent]) -> None:
    now = timezone.now()
    InboxEntry.objects.bulk_create(
        [
            InboxEntry(
                event_id=event.event_id,
                project_id=event.run.project_id,
                action=event.action,
                received_at=event.received_at,
                annotations=event.annotations,
                applied_at=now,
                held=True,
            )
            for event in events
        ],
        ignore_conflicts=True,
        batch_size=EVENTS_AT_ONCE,
    )
