"""Celery's entries. They take ids, own nothing, and may be called twice."""

from celery import shared_task


@shared_task
def attend(project_id: int) -> None:
    """Look at what waits for a project."""


@shared_task
def train(run_id: int) -> None:
    """Carry a run to its end."""


@shared_task
def sweep() -> None:
    """Find what was forgotten, and ring for it."""
