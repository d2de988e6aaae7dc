"""A run's own part of its page: attempts, and the events it took."""

from typing import Any

from django.http import HttpRequest

from lsml.console.pages.jobs import job_context
from lsml.training.models import TrainingRun


def run_context(request: HttpRequest, found: TrainingRun) -> dict[str, Any]:
    """Progress, the last attempts, and the first of the events."""
    events = found.events.order_by("event_id")
    return {
        **job_context(request, found),
        "attempts": list(found.attempt_set.order_by("-number")[:10]),
        "event_ids": list(events.values_list("event_id", flat=True)[:100]),
        "event_count": events.count(),
    }
