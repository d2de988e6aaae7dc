"""Celery tasks of the audit log. Beat sends the first two, a new job the last."""

from celery import shared_task

from lsml.audit import jobs, partitions, sealing


@shared_task
def seal() -> None:
    """Seal finished rows. Returns at once while another sealer holds the lock."""
    sealing.seal()


@shared_task
def maintain_partitions() -> None:
    """Create the partitions of the coming months, and refresh the statistics."""
    partitions.make_partitions_ahead()
    partitions.analyze()


@shared_task
def run_audit_job(job_id: int) -> None:
    """Run a verification or an export to its end."""
    jobs.run_audit_job(job_id)
