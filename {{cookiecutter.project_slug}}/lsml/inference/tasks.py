"""Celery tasks of inference. They take ids and may be called twice."""

from uuid import uuid4

from celery import shared_task

from lsml.environment.pace import Pace
from lsml.inference.bulk import work
from lsml.inference.following import check
from lsml.inference.shadow import work as shadows
from lsml.observability.origin import Origin

FOLLOW_EVERY_S = 60.0
SHADOW_EVERY_S = 15.0
_checks = Pace()
_shadows = Pace()


@shared_task
def predict_all(job_id: int) -> None:
    """Run a bulk prediction to its end."""
    work.predict_all(job_id)


@shared_task
def follow(project_pk: int) -> None:
    """Bring one project's predictions and order up to its served version."""
    check.follow(project_pk, origin=_origin("follow"))


@shared_task
def follow_all() -> None:
    """Do so for all projects.

    Of the messages that piled up while no worker ran, the first checks.
    """
    if _checks.allows(every_s=FOLLOW_EVERY_S / 2):
        check.follow_all(_origin("follow"))


@shared_task
def predict_in_shadow() -> None:
    """Let the versions in shadow predict their share of the latest live tasks."""
    if _shadows.allows(every_s=SHADOW_EVERY_S / 2):
        shadows.predict_all(_origin("shadow"))


def _origin(work: str) -> Origin:
    return Origin(request_id=f"{work}-{uuid4().hex}", client="worker")
