"""Home: what is served, what happened today, what needs attention."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.utils import timezone

from lsml.audit.models import Prediction, WebhookEvent
from lsml.registry.models import Project
from lsml.training.models import InboxEntry, TrainingRun

_PROJECTS_MAX = 50


@dataclass(slots=True)
class Card:
    """One project on the home page."""

    project: Project
    predictions: int = 0
    errors: int = 0
    events: int = 0
    waiting: int = 0
    run: TrainingRun | None = None


def home_context(request: HttpRequest) -> dict[str, Any]:
    """What the home page shows; the number of queries does not depend on the data."""
    if not request.user.has_perm("console.read"):
        return {"cards": []}
    since = timezone.now() - timedelta(hours=24)
    projects = Project.objects.filter(archived_at=None).select_related("active_version")
    cards = {p.pk: Card(p) for p in projects.order_by("-pk")[:_PROJECTS_MAX]}
    predictions: Any = Prediction.objects.since(since)
    _count(cards, "predictions", predictions)
    _count(cards, "errors", predictions.filter(outcome="error"))
    _count(cards, "events", WebhookEvent.objects.since(since))
    _count(cards, "waiting", InboxEntry.objects.all())
    for run in TrainingRun.objects.filter(state__in=TrainingRun.ACTIVE):
        if run.project_id in cards:
            cards[run.project_id].run = run
    return {"cards": list(cards.values())}


def _count(cards: dict[int, Card], name: str, rows: Any) -> None:
    counts = rows.order_by().values("project_id").annotate(n=Count("pk"))
    for project_id, count in counts.values_list("project_id", "n"):
        if project_id in cards:
            setattr(cards[project_id], name, count)
