"""Which messages are to be sent: written with the alarm, sent after the commit.

Each message is sent once. It is sent a second time only if the worker is killed between
sending it and writing that down.
"""

from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import transaction
from django.utils import timezone

from lsml.quality.alarms import channels
from lsml.quality.alarms.channels import NotSent
from lsml.quality.alarms.models import Alarm, AlarmMessage

log = structlog.get_logger(__name__)

# Time until the next attempt, after each failed one but the last.
_PAUSES: Final = (
    timedelta(seconds=15),  # the next check
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
)
_AT_ONCE_MAX: Final = 20  # alarms in one message; more follow with the next check

News = AlarmMessage.News


def announce_opened(alarm: Alarm, now: datetime) -> None:
    """Have the configured channels tell that an alarm opened."""
    for channel in channels.configured():
        _announce(alarm, channel, News.OPENED, now)


def announce_cleared(alarm: Alarm, now: datetime) -> None:
    """Tell that an alarm cleared where it was told that it opened.

    A message that it opened is no longer sent.
    """
    opened = alarm.messages.filter(news=News.OPENED)
    opened.filter(sent_at=None).update(next_attempt_at=None)
    for message in opened.exclude(sent_at=None):
        _announce(alarm, message.channel, News.CLEARED, now)


def _announce(alarm: Alarm, channel: str, news: News, now: datetime) -> None:
    AlarmMessage.objects.create(
        alarm=alarm, channel=channel, news=news, created_at=now, next_attempt_at=now
    )


def send_due(now: datetime) -> None:
    """Send what is due. Takes some seconds for each server that does not answer."""
    for channel in channels.configured():
        if due := _claim(channel, now):
            _send(channel, due)


def _claim(channel: str, now: datetime) -> list[AlarmMessage]:
    """Return the messages that this process alone tries to send now."""
    due = AlarmMessage.objects.filter(channel=channel, next_attempt_at__lte=now)
    with transaction.atomic():
        claimed = list(
            due.select_related("alarm__project")
            .defer("alarm__project__label_config", "alarm__project__extra_params")
            .order_by("pk")
            .select_for_update(skip_locked=True, of=("self",))[:_AT_ONCE_MAX]
        )
        for message in claimed:
            pause = dict(enumerate(_PAUSES)).get(message.attempts)
            message.next_attempt_at = now + pause if pause else None
            message.attempts += 1
        AlarmMessage.objects.bulk_update(claimed, ["next_attempt_at", "attempts"])
    return claimed


def _send(channel: str, due: list[AlarmMessage]) -> None:
    rows = AlarmMessage.objects.filter(pk__in=[each.pk for each in due])
    try:
        channels.send(channel, [_line(each) for each in due])
    except NotSent as error:
        log.warning("alarm was not sent", channel=channel, reason=str(error))
        rows.update(error=str(error))
    else:
        rows.update(sent_at=timezone.now(), next_attempt_at=None, error="")


def _line(message: AlarmMessage) -> channels.Line:
    alarm = message.alarm
    if message.news == News.OPENED:
        sentence = str(alarm)
        end = "" if sentence.endswith((".", "!", "?", "…")) else "."
        return channels.Line(f"{sentence}{end} {alarm.next_step}", alarm.pk)
    return channels.Line(f"Cleared: {alarm}", alarm.pk)
