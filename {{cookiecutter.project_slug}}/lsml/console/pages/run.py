"""A run: progress, log, attempts and the events it took."""

from typing import Any

from django.http import HttpRequest

from lsml.training.models import TrainingRun


def run_context(request: HttpRequest, found: TrainingRun) -> dict[str, Any]:
    """Attempts with their logs, and the first of the events."""
    return {
        "attempts": list(found.attempt_set.order_by("-number")[:10]),
        "event_ids": list(
            found.events.order_by("event_id").values_list("event_id", flat=True)[:100]
        ),
        "active": found.state in TrainingRun.ACTIVE,
    }
