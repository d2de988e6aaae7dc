"""Removes what dead attempts left in the artifact storage."""

from datetime import timedelta

import structlog
from django.conf import settings
from django.utils import timezone

from lsml.registry.artifacts import remove_artifact
from lsml.registry.models import ModelVersion
from lsml.training.models import TrainingAttempt

log = structlog.get_logger(__name__)

_SOME = 100


def remove_unless_kept(attempt: TrainingAttempt) -> bool:
    """Remove the attempt's artifact, unless a version names it.

    Returns:
        Whether it is gone or kept; if not, the sweeper tries again.
    """
    if ModelVersion.objects.filter(artifact_key=attempt.artifact_key).exists():
        return True
    try:
        remove_artifact(attempt.artifact_key)
    except Exception as error:  # noqa: BLE001 - each storage raises its own
        log.warning(
            "orphan artifact not removed", key=attempt.artifact_key, error=str(error)
        )
        return False
    return True


def remove_orphans() -> None:
    """Remove the artifacts of attempts that ended without success.

    A worker that was cut off may store one after it was given up, until its own
    TRAINING_OUTAGE_S are over; only then the key is forgotten.
    """
    dead = (
        TrainingAttempt.objects.filter(finished_at__isnull=False)
        .exclude(artifact_key="")
        .exclude(outcome=TrainingAttempt.Outcome.SUCCEEDED)
    )
    settled_at = timezone.now() - timedelta(seconds=settings.TRAINING_OUTAGE_S + 60)
    for attempt in dead.order_by("finished_at")[:_SOME]:
        removed = remove_unless_kept(attempt)
        if removed and attempt.finished_at and attempt.finished_at < settled_at:
            TrainingAttempt.objects.filter(pk=attempt.pk).update(artifact_key="")
