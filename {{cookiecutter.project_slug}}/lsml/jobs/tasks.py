"""The Celery task of the sweeper, and the handler of the worker's stop signal."""

from typing import Any

import structlog
from celery import shared_task
from celery.signals import worker_shutting_down
from django.db import InterfaceError, OperationalError, connection

from lsml.jobs import sweeper
from lsml.jobs.running import stopping

log = structlog.get_logger(__name__)


@shared_task
def sweep() -> None:
    """Find jobs and events that no worker handles, and wake a worker for them."""
    try:
        sweeper.sweep()
    except (OperationalError, InterfaceError) as error:
        connection.close()
        log.warning(
            "database is down; the next sweep tries again", error=str(error).strip()
        )


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    stopping.set()
