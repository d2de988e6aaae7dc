"""Reads alarms, for the home page and Prometheus."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from lsml.quality.alarms import lifecycle
from lsml.quality.alarms.checks import EVERY_S, examine
from lsml.quality.alarms.conditions import CONDITIONS
from lsml.quality.alarms.models import Alarm, AlarmCheck

_OVERDUE: Final = timedelta(seconds=4.5 * EVERY_S)
# A page must not wait for workers; home has a fragment that shows which answer.
_OF_PAGES: Final = [kind for kind in CONDITIONS if kind is not Alarm.Kind.NO_WORKER]


@dataclass(frozen=True, slots=True)
class Attention:
    """What needs attention now."""

    alarms: list[Alarm]  # those that nobody acknowledged first; unsaved ones too
    is_checked: bool  # whether workers check the conditions
    checked_at: datetime | None  # by a worker; None = never


def what_needs_attention(now: datetime) -> Attention:
    """Return the alarms, also those that a second check has to confirm.

    If workers do not check the conditions, because none runs or beat does not, they are
    checked here and now. Nothing is saved then.
    """
    checked_at = checked_last()
    is_checked = not is_overdue(checked_at, now)
    rows = Alarm.objects.filter(cleared_at=None).select_related("project")
    alarms = list(rows.defer("project__label_config", "project__extra_params"))
    if not is_checked:
        alarms = _checked_here(alarms, now)
    alarms.sort(key=lambda alarm: (bool(alarm.acknowledged_at), alarm.first_seen_at))
    return Attention(alarms, is_checked, checked_at)


def checked_last() -> datetime | None:
    """Return when a worker checked the conditions last; None = never."""
    return AlarmCheck.objects.values_list("checked_at", flat=True).first()


def is_overdue(checked_at: datetime | None, now: datetime) -> bool:
    """Return whether workers have not checked the conditions for too long, or never."""
    return checked_at is None or checked_at < now - _OVERDUE


def _checked_here(known: list[Alarm], now: datetime) -> list[Alarm]:
    """Return alarms of the conditions that hold now, with what is known of them."""
    rows = {(each.kind, each.project_id, each.subject): each for each in known}
    found = examine(_OF_PAGES, now)
    alarms = [each for each in known if each.kind not in found]
    for kind, conditions in found.items():
        for condition in conditions:
            seen = lifecycle.seen_first(kind, condition, now)
            row = rows.get((kind.value, seen.project_id, seen.subject))
            if row is not None:
                row.sentence, row.next_step = seen.sentence, seen.next_step
            if row is not None or condition.opens:
                alarms.append(row or seen)
    return alarms


def alarm_metrics() -> Iterator[Metric]:
    """Yield the open alarms for Prometheus, and when they were checked."""
    counts = Alarm.objects.open().values_list("kind").annotate(Count("pk"))
    numbers = dict(counts.order_by())
    opened = GaugeMetricFamily("lsml_alarms_open", "Open alarms", labels=["kind"])
    for kind in Alarm.Kind:
        opened.add_metric([kind.value], numbers.get(kind.value, 0))
    checked_at = checked_last()
    checked = GaugeMetricFamily(
        "lsml_alarms_checked_timestamp_seconds",
        "When a worker checked the conditions of alarms last; 0 = never",
        value=checked_at.timestamp() if checked_at else 0,
    )
    yield from (opened, checked)
