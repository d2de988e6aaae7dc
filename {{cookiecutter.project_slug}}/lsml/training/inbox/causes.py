"""The requests that brought events, for traces. Nothing else calls this."""

from typing import Final

from lsml.audit.models import WebhookEvent
from lsml.training.models import InboxEntry, TrainingRun

_MOST: Final = 128  # the links that OpenTelemetry keeps of a span


def request_behind(run: TrainingRun) -> str:
    """Return the request of the newest event that a run was opened for, "" = none.

    The same at each attempt, and after the run: events that came later do not count.
    """
    waiting = InboxEntry.objects.filter(project_id=run.project_id)
    for events in (run.events.all(), waiting):  # it may not have taken them yet
        ids = events.filter(received_at__lte=run.created_at).order_by("-event_id")
        if newest := ids.values_list("event_id", flat=True).first():
            return "".join(requests_of([newest]))
    return ""


def requests_to_apply(project_id: int) -> list[str]:
    """Return the requests of a project's events that are not applied, oldest first."""
    entries = InboxEntry.objects.filter(project_id=project_id, applied_at__isnull=True)
    newest = entries.order_by("-event_id").values_list("event_id", flat=True)
    return requests_of(sorted(newest[:_MOST]))


def requests_of(event_ids: list[int]) -> list[str]:
    """Return the requests that brought these events, the oldest first."""
    events = WebhookEvent.objects.filter(pk__in=event_ids[-_MOST:]).order_by("pk")
    return list(events.values_list("request_id", flat=True))
