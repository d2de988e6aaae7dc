"""Celery tasks of inference. They take ids and may be called twice."""

from celery import shared_task

from lsml.inference import bulk


@shared_task
def predict_all(job_id: int) -> None:
    """Run a bulk prediction to its end."""
    bulk.predict_all(job_id)
