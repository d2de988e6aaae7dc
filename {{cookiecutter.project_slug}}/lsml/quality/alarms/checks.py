"""Checks all conditions, and opens and clears alarms. One check at a time."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from lsml.quality.alarms import lifecycle, messages
from lsml.quality.alarms.conditions import CONDITIONS, Condition
from lsml.quality.alarms.lifecycle import Change
from lsml.quality.alarms.models import Alarm, AlarmCheck

log = structlog.get_logger(__name__)

EVERY_S: Final = 20.0  # two checks and sending take less than a minute
_LEASE: Final = timedelta(seconds=60)  # a check takes about a second
_KEPT: Final = timedelta(days=90)  # then a cleared alarm is deleted
_ROW: Final = 1  # the key of the one row of AlarmCheck

Found = Mapping[Alarm.Kind, list[Condition]]  # without kinds that could not be checked
_Key = tuple[str, int | None, str]


def check_alarms() -> None:
    """Check all conditions, unless another worker does or has just done so."""
    row = AlarmCheck.objects.filter(pk=_ROW)
    lease = _claim()
    if lease is None:
        return
    now = timezone.now()
    found = examine(CONDITIONS, now)
    with transaction.atomic():
        # Also refuses what a check found that lost its lease, and locks the row.
        ended = row.filter(lease_expires_at=lease)
        if ended.update(lease_expires_at=None, checked_at=now):
            record(found, now)


def _claim() -> datetime | None:
    """Return until when this process alone checks; None if it must not.

    A lease in a row, for the reasons in ADR 11. Of messages that piled up while no
    worker ran, the first has the conditions checked.
    """
    row = AlarmCheck.objects.filter(pk=_ROW)
    AlarmCheck.objects.get_or_create(pk=_ROW)
    is_free = Q(lease_expires_at=None) | Q(lease_expires_at__lt=Now())
    is_due = Q(checked_at=None) | Q(
        checked_at__lt=Now() - timedelta(seconds=EVERY_S / 2)
    )
    if not row.filter(is_free, is_due).update(lease_expires_at=Now() + _LEASE):
        return None
    return row.values_list("lease_expires_at", flat=True).get()


def examine(kinds: Iterable[Alarm.Kind], now: datetime) -> Found:
    """Return what is wrong now. What cannot be checked is left out and logged."""
    found = {}
    for kind in kinds:
        try:
            found[kind] = list(CONDITIONS[kind](now))
        except Exception:  # must not stop the checks of other kinds
            log.exception("alarm condition was not checked", kind=kind.value)
    return found


def record(found: Found, now: datetime) -> None:
    """Open, update and clear alarms, inside the transaction of the check."""
    alarms = {
        (each.kind, each.project_id, each.subject): each
        for each in Alarm.objects.filter(kind__in=found, cleared_at=None)
    }
    conditions = _by_key(found)
    for key, condition in conditions.items():
        if key not in alarms and condition.opens:
            lifecycle.seen_first(Alarm.Kind(key[0]), condition, now).save()
    for key, alarm in alarms.items():
        change = lifecycle.check(alarm, conditions.get(key), now)
        if change is Change.FORGOTTEN:
            alarm.delete()
            continue
        alarm.save(update_fields=_CHECKED)
        if change is Change.OPENED:
            log.warning("alarm opened", **_facts(alarm))
            messages.announce_opened(alarm, now)
        elif change is Change.CLEARED:
            log.info("alarm cleared", **_facts(alarm))
            messages.announce_cleared(alarm, now)
    Alarm.objects.filter(cleared_at__lt=now - _KEPT).delete()


# Not those of acknowledging, which may happen meanwhile.
_CHECKED: Final = (
    "sentence",
    "next_step",
    "last_seen_at",
    "missed_checks",
    "opened_at",
    "cleared_at",
)


def _by_key(found: Found) -> dict[_Key, Condition]:
    return {
        (kind.value, each.project.pk if each.project else None, each.subject): each
        for kind, conditions in found.items()
        for each in conditions
    }


def _facts(alarm: Alarm) -> dict[str, object]:
    return {
        "alarm": alarm.pk,
        "kind": alarm.kind,
        "project": alarm.project_id,
        "sentence": alarm.sentence,
    }
