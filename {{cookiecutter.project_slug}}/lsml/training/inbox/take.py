"""Events as a run sees them: taken at its start, given back, set aside, retried."""

from collections.abc import Iterable, Mapping

from django.utils import timezone

from lsml.training.inbox.apply import EVENTS_AT_ONCE, apply_some
from lsml.training.models import InboxEntry, RunEvent, RunEventQuerySet, TrainingRun


def take_events(run: TrainingRun) -> None:
    """Give the run all that waits, applied; call inside `writing`.

    A second attempt keeps what the first one took: the same events, no others.
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
    """Put the events of a run that failed or was cancelled back, held.

    Events that are set aside stay where they are.
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
    """Put events that are set aside back, held; call inside `writing`.

    Returns:
        How many there were.
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
