"""Celery's entries. They take ids, own nothing, and may be called twice."""

import structlog
from celery import current_app, shared_task
from django.db import InterfaceError, OperationalError
from kombu.exceptions import OperationalError as BrokerAway

from lsml.inference.bulk import run_job, waiting_jobs

log = structlog.get_logger(__name__)


@shared_task
def predict_all(job_id: int) -> None:
    """Carry a bulk prediction to its end."""
    try:
        run_job(job_id)
    except (OperationalError, InterfaceError) as error:
        log.warning("database is away; the sweeper rings again", error=str(error))


@shared_task
def sweep_jobs() -> None:
    """Ring for jobs whose message, or whose worker, was lost."""
    for job_id in waiting_jobs():
        predict_all.delay(job_id)


def notify_job(job_id: int) -> None:
    """Tell a worker of a job that was just committed; the sweeper does it otherwise."""
    try:
        current_app.send_task(predict_all.name, args=(job_id,))
    except (BrokerAway, OSError) as error:
        log.warning("broker did not answer; the sweeper will ring", error=str(error))
