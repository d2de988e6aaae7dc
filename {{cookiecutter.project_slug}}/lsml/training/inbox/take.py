"""Events as a run sees them: taken when it starts, given back when it fails."""

from django.utils import timezone

from lsml.training.inbox.apply import EVENTS_AT_ONCE, apply_some
from lsml.training.models import InboxEntry, RunEvent, TrainingRun


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
        batch_size=EVENTS_AT_ONCE,
    )
