"""A person says that they know of an alarm. It stays until its condition is gone."""

from django.db import transaction
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.observability.origin import Origin
from lsml.quality.alarms.models import Alarm


class NotAcknowledged(Exception):
    """An alarm cannot be acknowledged; the text says why."""


def acknowledge(alarm: Alarm, *, actor: str, origin: Origin, reason: str = "") -> None:
    """Record who knows of an alarm.

    Args:
        alarm: Is changed.
        actor: User name.
        origin: The request.
        reason: As the person wrote it; "" = none.

    Raises:
        NotAcknowledged: Somebody has done so, or the alarm is not open.
    """
    now = timezone.now()
    with transaction.atomic():
        waiting = Alarm.objects.open().filter(pk=alarm.pk, acknowledged_at=None)
        changed = waiting.update(acknowledged_at=now, acknowledged_by=actor)
        alarm.refresh_from_db()
        if not changed:
            raise NotAcknowledged(_why_not(alarm))
        record_entry(
            origin=origin,
            at=now,
            actor=actor,
            verb=AuditEntry.Verb.ALARM_ACKNOWLEDGED,
            target=f"alarm {alarm.pk}",
            project_pk=alarm.project_id,
            reason=reason,
            detail={
                "kind": alarm.kind,
                "subject": alarm.subject,
                "sentence": alarm.sentence,
            },
        )


def _why_not(alarm: Alarm) -> str:
    if alarm.state == "acknowledged":
        return f"Alarm {alarm.pk} was acknowledged by {alarm.acknowledged_by}."
    return f"Alarm {alarm.pk} is not open: it is {alarm.state}."
