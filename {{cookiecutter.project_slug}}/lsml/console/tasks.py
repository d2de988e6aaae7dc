"""Celery's entrance to errands."""

from celery import shared_task

from lsml.console import errands


@shared_task(name=errands.RUN, ignore_result=True)
def run_errand(errand_id: int) -> None:
    """Carry an errand to its end."""
    errands.run(errand_id)


@shared_task(ignore_result=True)
def sweep_errands() -> None:
    """Send those whose message was lost, end those whose worker died."""
    errands.sweep()
