"""Where alarms are sent, and whether they are."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from lsml.doctor.findings import Finding, ok, warning
from lsml.quality.alarms.reads import checked_last, is_overdue
from lsml.quality.models import AlarmMessage

_RECENT = timedelta(hours=24)


def check_alarms() -> Iterator[Finding]:
    """Report whether workers check alarms, and channels that do not take messages."""
    checked_at = checked_last()
    if checked_at is None:  # a new service, or one whose sealing is late as well
        yield ok("alarms", "not checked yet")
    elif is_overdue(checked_at, timezone.now()):
        step = "Check that beat and a worker with the queue “scheduled” run."
        yield warning("alarms", f"not checked since {checked_at:%F %H:%M} UTC", step)
    else:
        yield ok("alarms", "are checked")
    # The rest of the address is a secret.
    webhook = urlsplit(settings.ALERT_WEBHOOK_URL).hostname or ""
    number = len(settings.ALERT_EMAIL_TO)
    yield _channel(AlarmMessage.Channel.WEBHOOK, "ALERT_WEBHOOK_URL", webhook)
    addresses = f"{number} addresses" if number else ""
    yield _channel(AlarmMessage.Channel.EMAIL, "ALERT_EMAIL_TO", addresses)


def _channel(channel: AlarmMessage.Channel, variable: str, target: str) -> Finding:
    item = f"alarms by {channel.label}"
    if not target:
        return ok(item, f"{variable} is not set")
    sent = AlarmMessage.objects.filter(
        channel=channel, created_at__gte=timezone.now() - _RECENT
    )
    last = sent.filter(attempts__gt=0).order_by("-pk").first()
    if last is None or last.sent_at:
        return ok(item, f"to {target}")
    return warning(item, f"to {target}: {last.error}", f"Correct {variable}.")
