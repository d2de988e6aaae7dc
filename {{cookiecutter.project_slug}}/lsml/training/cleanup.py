"""Removes artifacts that failed attempts left in the storage."""

from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models.functions import Now

from lsml.registry.artifacts import remove_artifact
from lsml.registry.models import ModelVersion
from lsml.training.models import TrainingAttempt

log = structlog.get_logger(__name__)

_ATTEMPTS_AT_ONCE = 100


def remove_unless_kept(attempt: TrainingAttempt) -> bool:
    """Remove the attempt's artifact, unless a version names it.

    Returns:
        False if it could not be removed; the sweeper tries again.
    """
    if ModelVersion.objects.filter(artifact_key=attempt.artifact_key).exists():
        return True
    try:
        remove_artifact(attempt.artifact_key)
    except Exception as error:  # noqa: BLE001 - each storage raises its own errors
        log.warning(
            "orphan artifact not removed", key=attempt.artifact_key, error=str(error)
        )
        return False
    return True


def remove_orphans() -> None:
    """Remove the artifacts of attempts that ended without success.

    A worker without a connection may still store an artifact after its attempt was
    given up, for up to TRAINING_OUTAGE_S. Only after that is the key cleared.
    """
    dead = (
        TrainingAttempt.objects.filter(finished_at__isnull=False)
        .exclude(artifact_key="")
        .exclude(outcome=TrainingAttempt.Outcome.SUCCEEDED)
    )
    settled_at = Now() - timedelta(seconds=settings.TRAINING_OUTAGE_S + 60)
    for attempt in dead.order_by("finished_at")[:_ATTEMPTS_AT_ONCE]:
        if remove_unless_kept(attempt):
            settled = TrainingAttempt.objects.filter(finished_at__lt=settled_at)
            settled.filter(pk=attempt.pk).update(artifact_key="")
