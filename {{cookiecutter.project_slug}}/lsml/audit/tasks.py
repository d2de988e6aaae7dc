"""Celery tasks of the audit log. Beat sends the first two, a new job the last."""

import structlog
from celery import shared_task
from django.conf import settings

from lsml.audit import jobs, partitions, sealing
from lsml.environment.pace import Pace

log = structlog.get_logger(__name__)
_seals = Pace()


@shared_task
def seal() -> None:
    """Seal finished rows. Returns at once while another sealer holds the lock.

    Of the messages that piled up while no worker ran, the first seals.
    """
    if _seals.allows(every_s=settings.AUDIT_SEAL_S / 2):
        sealing.seal()


@shared_task
def maintain_partitions() -> None:
    """Make the coming months' partitions and refresh the planner's row counts.

    Only the tables' owner may. Where the service has another role, see docs/audit.md,
    `manage.py prepare` does both.
    """
    if partitions.are_ours():
        partitions.make_partitions_ahead()
        partitions.analyze()
    elif missing := partitions.missing_next_month():
        log.error(
            "partitions are missing; run `manage.py prepare` as the tables' owner",
            missing=missing,
        )


@shared_task
def run_audit_job(job_id: int) -> None:
    """Run a verification or an export to its end."""
    jobs.run_audit_job(job_id)
