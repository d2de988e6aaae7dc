"""The numbers of the home page, from the hourly counts that the sealer keeps."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Sum

from lsml.audit.models import EventHour, Prediction, PredictionHour
from lsml.audit.rollups import PredictionCounts

HOURS: Final = 24
USUAL_DAYS: Final = 7  # the days before the last 24 hours; their mean is "usual"


@dataclass(slots=True)
class Day:
    """Predictions and events of the last 24 hours, by hour and by project."""

    hours: list[datetime]  # full hours, UTC; the last one is still running
    by_version: dict[str, list[int]] = field(default_factory=dict)  # per hour
    by_action: dict[str, list[int]] = field(default_factory=dict)  # per hour
    latency: list[PredictionCounts] = field(default_factory=list)  # per hour
    predictions: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    failed: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    events: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    usual_predictions: dict[int, float] = field(default_factory=dict)  # a day
    usual_events: dict[int, float] = field(default_factory=dict)  # a day


def last_day(now: datetime) -> Day:
    """Read the last 24 hours and the week before, always in six queries."""
    last = now.replace(minute=0, second=0, microsecond=0)
    day = Day([last - timedelta(hours=n) for n in reversed(range(HOURS))])
    day.latency = [PredictionCounts() for _ in day.hours]
    _read_predictions(day)
    _read_events(day)
    start = day.hours[0]
    before = {"hour__lt": start, "hour__gte": start - timedelta(days=USUAL_DAYS)}
    answered = {"kind__in": set(Prediction.Kind) - {Prediction.Kind.SHADOW}}
    for usual, model, shown in (
        (day.usual_predictions, PredictionHour, answered),
        (day.usual_events, EventHour, {}),
    ):
        rows = model.objects.filter(**before, **shown).values_list("project_pk")
        for project, number in rows.annotate(number=Sum("count")):
            usual[project] = number / USUAL_DAYS
    return day


def _read_predictions(day: Day) -> None:
    """Let PostgreSQL add up the counts: a day can have thousands of rows."""
    place = {hour: n for n, hour in enumerate(day.hours)}
    # A server whose clock is ahead may have counted rows of later hours.
    rows = PredictionHour.objects.filter(hour__range=(day.hours[0], day.hours[-1]))
    rows = rows.exclude(kind=Prediction.Kind.SHADOW)

    def sums(*columns: str) -> Any:
        return rows.values_list(*columns).annotate(Sum("count"))

    for hour, version, number in sums("hour", "model_version"):
        day.by_version.setdefault(version, [0] * HOURS)[place[hour]] += number
    for hour, outcome, bucket, number in sums("hour", "outcome", "latency_bucket"):
        day.latency[place[hour]].add(outcome, bucket, number)
    for project, outcome, number in sums("project_pk", "outcome"):
        if project is not None:
            day.predictions[project] += number
            if outcome == Prediction.Outcome.ERROR:
                day.failed[project] += number


def _read_events(day: Day) -> None:
    place = {hour: n for n, hour in enumerate(day.hours)}
    rows = EventHour.objects.filter(hour__gte=day.hours[0])
    for hour, project, action, count in rows.values_list(
        "hour", "project_pk", "action", "count"
    ):
        if hour in place:
            day.by_action.setdefault(action, [0] * HOURS)[place[hour]] += count
            if project is not None:
                day.events[project] += count


def largest(layers: dict[str, list[int]], most: int, rest: str) -> dict[str, list[int]]:
    """Return the `most` largest layers by name, and the sum of the others as `rest`."""
    ranked = sorted(layers, key=lambda name: -sum(layers[name]))
    shown = {name: layers[name] for name in sorted(ranked[:most])}
    left = [layers[name] for name in ranked[most:]]
    if left:
        shown[rest] = [sum(column) for column in zip(*left, strict=True)]
    return shown
