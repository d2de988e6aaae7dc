"""Celery tasks of the audit trail; beat rings them."""

from celery import shared_task

from lsml.audit import partitions, sealing


@shared_task(ignore_result=True)
def seal() -> None:
    """Seal finished rows. A second one meanwhile finds the lock taken and returns."""
    sealing.seal()


@shared_task(ignore_result=True)
def look_after_partitions() -> None:
    """Make the coming months' partitions and refresh the planner's row counts."""
    partitions.make_partitions_ahead()
    partitions.analyze()
