"""Celery tasks of quality. Beat sends them."""

from celery import shared_task

from lsml.environment.pace import Pace
from lsml.quality.validity import live

_EVERY_S = 15.0  # half of beat's period: messages that piled up check once
_checks = Pace()


@shared_task
def check_answers() -> None:
    """Check a sample of the latest answers of `/predict` against the label configs."""
    if _checks.allows(every_s=_EVERY_S):
        live.check_new_answers()
