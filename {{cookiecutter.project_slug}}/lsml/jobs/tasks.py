"""The Celery task of the sweeper, and the handler of the worker's stop signal."""

import threading
from typing import Any

import structlog
from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from lsml.environment.clock import warn_of_clock_skew
from lsml.environment.pace import Pace
from lsml.jobs import sweeper
from lsml.jobs.running import stopping

log = structlog.get_logger(__name__)
_sweeps = Pace()


@shared_task
def sweep() -> None:
    """Find jobs and events that no worker handles, and wake a worker for them.

    Of the messages that piled up while no worker ran, the first sweeps.
    """
    if not _sweeps.allows(every_s=settings.TRAINING_SWEEP_S / 2):
        return
    warn_of_clock_skew()
    try:
        sweeper.sweep()
    except (OperationalError, InterfaceError) as error:
        connection.close()
        log.warning(
            "database is down; the next sweep tries again", error=str(error).strip()
        )


@worker_ready.connect
def _started(**_: Any) -> None:
    threading.Thread(target=_look_at_the_clock, daemon=True).start()


def _look_at_the_clock() -> None:
    try:
        warn_of_clock_skew()
    finally:
        connection.close()


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    stopping.set()
