"""Home: what is served, what happened today, what needs attention."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lsml.access.roles import may
from lsml.audit.lag import overdue_after, sealing_lag_s
from lsml.audit.models import Prediction, Seal
from lsml.console.charts import (
    Series,
    Span,
    Stack,
    column_chart,
    line_chart,
    span_chart,
)
from lsml.console.charts.axes import SERIES_MAX
from lsml.console.links import list_of, page_of
from lsml.console.numbers import milliseconds
from lsml.console.pages.home_figures import Day, largest, last_day
from lsml.console.pages.metrics import compared
from lsml.console.templatetags.console import span
from lsml.inference.placement import model_process_is_down
from lsml.quality.validity.counts import invalid_answers_of_served
from lsml.registry.models import Project
from lsml.training.attention import failed_last_runs, stuck_inboxes
from lsml.training.models import InboxEntry, TrainingRun

_PROJECTS_MAX: Final = 50
_RUNS_MAX: Final = 100  # of the last day, in the chart


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person should look at."""

    text: str
    address: str


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
    answers: dict[str, int] | None = None  # checked and invalid; None = all fit


def home_context(request: HttpRequest) -> dict[str, Any]:
    """Collect the home page; the number of queries does not depend on the data."""
    if not may(request.user, "read"):
        return {"title": _("Home"), "refused": True}
    now = timezone.now()
    day = last_day(now)
    runs = _runs(now)
    cards = _cards(day, runs, now)
    return {
        "title": _("Home"),
        "cards": cards,
        "alarms": _alarms(cards, now),
        "charts": [chart for chart in _charts(day, runs, now) if chart[1]],
        "seal": Seal.objects.order_by("-number").first(),
    }


def _runs(now: datetime) -> list[TrainingRun]:
    recent = Q(created_at__gte=now - timedelta(hours=24))
    active = Q(state__in=TrainingRun.ACTIVE)
    found = TrainingRun.objects.filter(recent | active).select_related("project")
    large = ("log", "metrics", "project__label_config", "project__extra_params")
    return list(found.defer(*large).order_by("-pk")[:_RUNS_MAX])


def _cards(day: Day, runs: list[TrainingRun], now: datetime) -> list[Card]:
    projects: Any = (
        Project.objects.filter(archived_at=None)
        .order_by("-pk")
        .annotate(invalid_answers=invalid_answers_of_served(now))
        .select_related("active_version__parent", "following")
        .only(
            "title",
            "labelstudio_id",
            "active_version__version",
            "active_version__created_at",
            "active_version__metrics",
            "active_version__missing_labels",
            "active_version__parent__metrics",
            "following__problem",
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
            answers=project.invalid_answers,
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


def _alarms(cards: list[Card], now: datetime) -> list[Alarm]:
    alarms = []
    for card in cards:
        project, version = card.project, card.project.active_version
        if card.failed:
            there = list_of(Prediction, project=project.pk, outcome="error", last="24h")
            text = _("%(project)s: %(n)d predictions failed in the last 24 hours.")
            values = {"project": project, "n": card.failed}
            alarms.append(Alarm(text % values, there))
        if (following := getattr(project, "following", None)) and following.problem:
            alarms.append(Alarm(f"{project}: {following.problem}", page_of(project)))
        if card.answers:
            text = _(
                "%(project)s: %(invalid)d of %(checked)d checked answers of %(version)s"
                " do not fit the label config."
            )
            values = {"project": project, "version": project.served_version}
            alarms.append(Alarm(text % (values | card.answers), page_of(project)))
        if version and version.missing_labels:
            text = _("%(project)s: the config has lost labels of %(version)s.")
            values = {"project": project, "version": version.version}
            alarms.append(Alarm(text % values, page_of(version)))
    return _model_process() + _sealing() + alarms + _stuck(now) + _failed()


def _model_process() -> list[Alarm]:
    if not model_process_is_down():
        return []
    text = _("The model process does not answer: predictions get status 503.")
    return [Alarm(text, reverse("admin:console_models"))]


def _sealing() -> list[Alarm]:
    lag_s = sealing_lag_s()
    if lag_s <= overdue_after().total_seconds():
        return []
    text = _(
        "The audit log is not being sealed: a row has waited for %(time)s. Check"
        " that beat and a worker with the queue “scheduled” run, and that no"
        " transaction stays open."
    )
    waited = span(timedelta(seconds=lag_s))
    return [Alarm(text % {"time": waited}, list_of(Seal))]


def _stuck(now: datetime) -> list[Alarm]:
    text = _("%(project)s: events waiting since %(time)s UTC; no run has taken them.")
    return [
        Alarm(
            text % {"project": each.project, "time": f"{each.since:%Y-%m-%d %H:%M}"},
            page_of(each.project),
        )
        for each in stuck_inboxes(now)
    ]


def _failed() -> list[Alarm]:
    text = _("%(project)s: run %(run)d failed: %(error)s")
    return [
        Alarm(
            text % {"project": run.project, "run": run.pk, "error": run.error[:120]},
            page_of(run),
        )
        for run in failed_last_runs()
    ]


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
