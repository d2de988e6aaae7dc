"""Celery's entrance to errands."""

from celery import shared_task

from lsml.console import audit_jobs


@shared_task(name=audit_jobs.RUN, ignore_result=True)
def run_audit_job(job_id: int) -> None:
    """Carry an errand to its end."""
    audit_jobs.run(job_id)


@shared_task(ignore_result=True)
def sweep_audit_jobs() -> None:
    """Send those whose message was lost, end those whose worker died."""
    audit_jobs.sweep()
