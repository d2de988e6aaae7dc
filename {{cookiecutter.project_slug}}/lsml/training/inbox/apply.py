"""The inbox from the other side: waiting events applied, taken by a run, given back."""

from collections.abc import Iterator
from typing import cast

from django.db.models import Count, Max, Min, Q, Sum
from django.utils import timezone

from lsml.audit.models import WebhookEvent
from lsml.dataset.agreement import update_agreements
from lsml.dataset.events import ReceivedEvent
from lsml.dataset.services import apply_events, writing
from lsml.labelstudio.errors import WireError
from lsml.labelstudio.webhooks import START_TRAINING, WebhookRequest
from lsml.registry.models import Project
from lsml.training.inbox.policy import Waiting
from lsml.training.models import InboxEntry, RunEvent, TrainingRun

_EVENTS_AT_ONCE = 500


def apply_waiting(project: Project) -> None:
    """Bring the dataset up to date, in transactions of at most 500 events."""
    applied = _EVENTS_AT_ONCE
    while applied == _EVENTS_AT_ONCE:
        with writing(project.pk):
            applied = apply_some(project)


def apply_some(project: Project) -> int:
    """Apply the oldest unapplied events; call inside `writing`. Returns how many."""
    entries = InboxEntry.objects.filter(
        project=project, applied_at__isnull=True, payload_missing=False
    )
    event_ids = list(
        entries.order_by("event_id").values_list("event_id", flat=True)[
            :_EVENTS_AT_ONCE
        ]
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


def waiting_of(project: Project) -> Waiting:
    """What waits, for the policy to look at; one query."""
    fresh = Q(held=False)
    entries = InboxEntry.objects.filter(project=project, payload_missing=False)
    counted = entries.aggregate(
        fresh=Count("pk", filter=fresh),
        annotations=Sum("annotations", default=0),
        training_requests=Count("pk", filter=fresh & Q(action=START_TRAINING)),
        oldest_at=Min("received_at", filter=fresh),
        newest_at=Max("received_at", filter=fresh),
    )
    return Waiting(asked=counted.pop("wishes") > 0, **counted)


def take_events(run: TrainingRun) -> None:
    """Give the run all that waits, applied; call inside `writing`.

    A second attempt keeps what the first one took: the same events, no others.
    """
    if run.events.exists():
        return
    while apply_some(run.project) == _EVENTS_AT_ONCE:
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
        batch_size=_EVENTS_AT_ONCE,
    )
    InboxEntry.objects.filter(event_id__in=[entry.event_id for entry in taken]).delete()


def give_back(run: TrainingRun) -> None:
    """Put the events of a run that failed or was cancelled back, held."""
    now = timezone.now()
    InboxEntry.objects.bulk_create(
        [
            InboxEntry(
                event_id=event.event_id,
                project_id=run.project_id,
                action=event.action,
                received_at=event.received_at,
                annotations=event.annotations,
                applied_at=now,
                held=True,
            )
            for event in run.events.all()
        ],
        ignore_conflicts=True,
        batch_size=_EVENTS_AT_ONCE,
    )
