"""Home: what is served, what happened today, what needs attention."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lsml.access.roles import may
from lsml.audit.models import Seal
from lsml.console.charts import (
    Series,
    Span,
    Stack,
    column_chart,
    line_chart,
    span_chart,
)
from lsml.console.charts.axes import SERIES_MAX
from lsml.console.links import page_of
from lsml.console.numbers import milliseconds
from lsml.console.pages.alarms import place_of
from lsml.console.pages.home_figures import Day, largest, last_day
from lsml.console.pages.metrics import compared
from lsml.quality.alarms.reads import what_needs_attention
from lsml.quality.models import ErrorGroup
from lsml.registry.models import Project
from lsml.training.models import InboxEntry, TrainingRun

_PROJECTS_MAX: Final = 50
_ERRORS_MAX: Final = 5  # groups
_RUNS_MAX: Final = 100  # of the last day, in the chart


@dataclass(slots=True)
class Card:
    """One project on the home page."""

    project: Project
    predictions: int
    failed: int
    usual_predictions: float
    events: int
    usual_events: float
    waiting: int = 0
    run: TrainingRun | None = None
    metrics: list[dict[str, Any]] = field(default_factory=list)


def home_context(request: HttpRequest) -> dict[str, Any]:
    """Collect the home page; the number of queries does not depend on the data."""
    if not may(request.user, "read"):
        return {"title": _("Home"), "refused": True}
    now = timezone.now()
    day = last_day(now)
    runs = _runs(now)
    attention = what_needs_attention(now)
    return {
        "title": _("Home"),
        "cards": _cards(day, runs),
        "attention": attention,
        "errors": _errors(now),
        "alarms": [(alarm, place_of(alarm)) for alarm in attention.alarms],
        "charts": [chart for chart in _charts(day, runs, now) if chart[1]],
        "seal": Seal.objects.order_by("-number").first(),
    }


def _runs(now: datetime) -> list[TrainingRun]:
    recent = Q(created_at__gte=now - timedelta(hours=24))
    active = Q(state__in=TrainingRun.ACTIVE)
    found = TrainingRun.objects.filter(recent | active).select_related("project")
    large = ("log", "metrics", "project__label_config", "project__extra_params")
    return list(found.defer(*large).order_by("-pk")[:_RUNS_MAX])


def _errors(now: datetime) -> list[ErrorGroup]:
    """Return what failed in the last 24 hours, the latest first."""
    recent = ErrorGroup.objects.filter(
        last_seen_at__gte=now - timedelta(hours=24), project__archived_at=None
    ).select_related("project")
    shown = recent.defer("project__label_config", "project__extra_params")
    return list(shown.order_by("-last_seen_at", "-pk")[:_ERRORS_MAX])


def _cards(day: Day, runs: list[TrainingRun]) -> list[Card]:
    projects: Any = (
        Project.objects.filter(archived_at=None)
        .order_by("-pk")
        .select_related("active_version__parent")
        .only(
            "title",
            "labelstudio_id",
            "active_version__version",
            "active_version__created_at",
            "active_version__metrics",
            "active_version__parent__metrics",
        )
    )
    cards = {
        project.pk: Card(
            project,
            day.predictions[project.pk],
            day.failed[project.pk],
            day.usual_predictions.get(project.pk, 0),
            day.events[project.pk],
            day.usual_events.get(project.pk, 0),
        )
        for project in projects[:_PROJECTS_MAX]
    }
    waiting = InboxEntry.objects.values_list("project_id").annotate(Count("pk"))
    for project_id, number in waiting:
        if project_id in cards:
            cards[project_id].waiting = number
    for run in runs:
        if run.state in TrainingRun.ACTIVE and run.project_id in cards:
            cards[run.project_id].run = run
    for card in cards.values():
        if version := card.project.active_version:
            parent = version.parent.metrics if version.parent else {}
            card.metrics = compared(parent, version.metrics)[:4]
    return list(cards.values())


def _charts(
    day: Day, runs: list[TrainingRun], now: datetime
) -> list[tuple[str, SafeString | None]]:
    hours = [f"{hour:%H}" for hour in day.hours]

    def columns(title: str, layers: dict[str, list[int]]) -> SafeString | None:
        kept = largest(layers, SERIES_MAX - 1, _("other"))
        stacks = [Stack(name, [*map(float, values)]) for name, values in kept.items()]
        return column_chart(title, hours, stacks)

    spans = [
        Span(
            str(run.project),
            _("Run %(run)d: %(state)s") % {"run": run.pk, "state": run.state},
            run.state,
            run.started_at or run.created_at,
            run.finished_at or now,
            page_of(run),
        )
        for run in runs
    ]
    versions = _("Predictions per hour (UTC), by version")
    latency = _("Model latency by hour (UTC)")
    events = _("Webhook events per hour (UTC), by action")
    training = _("Training runs of the last 24 hours")
    return [
        (versions, columns(versions, day.by_version)),
        (latency, _latency(latency, day, hours)),
        (events, columns(events, day.by_action)),
        (
            training,
            span_chart(training, spans, since=now - timedelta(hours=24), until=now),
        ),
    ]


def _latency(title: str, day: Day, hours: list[str]) -> SafeString | None:
    curves = [
        Series(
            name,
            [
                (n, value)
                for n, counts in enumerate(day.latency)
                if (value := counts.percentile_ms(share)) is not None
            ],
        )
        for name, share in (("p50", 0.5), ("p95", 0.95))
    ]
    drawn = [n for n, counts in enumerate(day.latency) if counts.total]
    if not drawn:
        return None
    marks = [(float(n), hours[n]) for n in range(drawn[0], drawn[-1] + 1, 4)]
    return line_chart(title, curves, marks=marks, write=milliseconds)
