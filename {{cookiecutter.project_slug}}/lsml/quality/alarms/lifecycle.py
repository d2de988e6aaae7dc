"""When an alarm opens and clears. Changes the object only; the caller saves it.

It opens when its condition has held in two checks in a row, and clears when it has not
held in three. A condition with a threshold has a lower one as well: between both, an
alarm stays as it is.
"""

from datetime import datetime
from enum import Enum, auto
from typing import Final

from lsml.quality.alarms.conditions import Condition
from lsml.quality.alarms.models import Alarm

CLEARS_AFTER: Final = 3  # checks


class Change(Enum):
    """What a check did to an alarm."""

    NONE = auto()
    OPENED = auto()
    CLEARED = auto()
    FORGOTTEN = auto()  # it had not opened yet


def seen_first(kind: Alarm.Kind, condition: Condition, now: datetime) -> Alarm:
    """Return a new alarm, which the next check may open."""
    return Alarm(
        kind=kind,
        project=condition.project,
        subject=condition.subject,
        sentence=condition.sentence,
        next_step=condition.next_step,
        first_seen_at=now,
        last_seen_at=now,
    )


def check(alarm: Alarm, condition: Condition | None, now: datetime) -> Change:
    """Take a check into account.

    Args:
        alarm: That has not cleared.
        condition: What the check found; None if the condition does not hold.
        now: The time of the check.
    """
    if condition is not None and (condition.opens or alarm.opened_at):
        alarm.sentence, alarm.next_step = condition.sentence, condition.next_step
        alarm.last_seen_at, alarm.missed_checks = now, 0
        if alarm.opened_at:
            return Change.NONE
        alarm.opened_at = now
        return Change.OPENED
    if alarm.opened_at is None:
        return Change.FORGOTTEN
    alarm.missed_checks += 1
    if alarm.missed_checks < CLEARS_AFTER:
        return Change.NONE
    alarm.cleared_at = now
    return Change.CLEARED
