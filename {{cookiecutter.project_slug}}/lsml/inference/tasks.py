"""Celery tasks of inference. They take ids and may be called twice."""

from celery import shared_task

from lsml.inference.bulk import work


@shared_task
def predict_all(job_id: int) -> None:
    """Run a bulk prediction to its end."""
    work.predict_all(job_id)
