"""The page of a training run: progress, attempts and events."""

from typing import Any, Final

from django.http import HttpRequest

from lsml.console.pages.jobs import job_context
from lsml.training.models import TrainingRun

_EVENTS_SHOWN: Final = 100


def run_context(request: HttpRequest, found: TrainingRun) -> dict[str, Any]:
    """Collect the progress, the last attempts and the first events."""
    events = found.events.order_by("event_id")
    failed = events.exclude(error="")
    return {
        **job_context(request, found),
        "attempts": list(found.attempt_set.order_by("-number")[:10]),
        "event_ids": list(events.values_list("event_id", flat=True)[:_EVENTS_SHOWN]),
        "event_count": events.count(),
        "failed_events": failed[:_EVENTS_SHOWN],
        "failed_count": failed.count(),
    }
