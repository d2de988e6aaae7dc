"""Celery tasks of the audit log. Beat starts the first two, a new job the last."""

from celery import shared_task

from lsml.audit import jobs, partitions, sealing


@shared_task
def seal() -> None:
    """Seal finished rows. Returns at once while another sealer holds the lock."""
    sealing.seal()


@shared_task
def look_after_partitions() -> None:
    """Make the coming months' partitions and refresh the planner's row counts."""
    partitions.make_partitions_ahead()
    partitions.analyze()


@shared_task
def run_audit_job(job_id: int) -> None:
    """Run a verification or an export to its end."""
    jobs.run_audit_job(job_id)
