"""Celery's entries. They take ids, own nothing, and may be called twice."""

from typing import Any

import structlog
from celery import shared_task
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.db import InterfaceError, OperationalError, connection

from lsml.training import workfolder
from lsml.training.attending import attend_to
from lsml.training.childprocess import nursery
from lsml.training.lease import claim
from lsml.training.patience import patiently
from lsml.training.supervisor import Supervisor, stopping
from lsml.training.sweeping import sweep_all

log = structlog.get_logger(__name__)


@shared_task
def attend(project_id: int) -> None:
    """Look at what waits for a project."""
    patiently(lambda: attend_to(project_id), give_up=stopping.is_set)


@shared_task
def train(run_id: int) -> None:
    """Carry a run to its end. A second delivery finds nothing to claim and returns."""
    claimed = patiently(lambda: claim(run_id), give_up=stopping.is_set)
    if claimed is not None:
        Supervisor(*claimed).carry()
        nursery.keep_spare()


@shared_task
def sweep() -> None:
    """Find what was forgotten, and ring for it."""
    try:
        sweep_all()
    except (OperationalError, InterfaceError) as error:
        connection.close()
        log.warning("database is away; the next sweep looks", error=str(error).strip())


@worker_ready.connect
def _prepare(sender: Any, **_: Any) -> None:
    if "training" in sender.app.amqp.queues.consume_from:
        workfolder.remove_orphans()
        nursery.keep_spare()


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    stopping.set()


@worker_shutdown.connect
def _stopped(**_: Any) -> None:
    nursery.dismiss_spare()
