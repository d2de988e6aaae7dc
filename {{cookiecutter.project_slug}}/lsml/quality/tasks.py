"""Celery tasks of quality. They take ids and may be called twice."""

from celery import shared_task
from django.utils import timezone

from lsml.environment.pace import Pace
from lsml.quality.alarms import checks, messages
from lsml.quality.drift import checking as drift
from lsml.quality.error_groups import grouping
from lsml.quality.evaluation import jobs, work
from lsml.quality.evaluation import watching as candidates
from lsml.quality.live import rolling_back, watching
from lsml.quality.validity import live

_EVERY_S = 15.0  # half of beat's period: messages that piled up check once
DRIFT_EVERY_S = 300.0
_checks = Pace()
_drift_checks = Pace()


@shared_task
def check_answers() -> None:
    """Check a sample of the latest answers of `/predict` against the label configs."""
    if _checks.allows(every_s=_EVERY_S):
        live.check_new_answers()


@shared_task
def watch_agreement() -> None:
    """Look for drops of live agreement, and roll back where that is wanted.

    And for versions in shadow that enough annotations tell about.
    """
    watching.watch_agreement()
    rolling_back.roll_back_worse()
    candidates.watch_candidates()


@shared_task
def group_errors() -> None:
    """Group what has failed since the last call."""
    grouping.group_errors()


@shared_task
def check_drift() -> None:
    """Compare live tasks and predictions with those of the training snapshots."""
    if _drift_checks.allows(every_s=DRIFT_EVERY_S / 2):
        drift.check_drift()


@shared_task
def evaluate_version(version_pk: int) -> None:
    """Start the evaluation of a new version."""
    jobs.evaluate_new(version_pk)


@shared_task
def evaluate(evaluation_id: int) -> None:
    """Run an evaluation to its end."""
    work.evaluate(evaluation_id)


@shared_task
def check_alarms() -> None:
    """Check what can be wrong, open and clear alarms, and send what is to be sent."""
    checks.check_alarms()
    messages.send_due(timezone.now())
