"""Celery's entries. They take ids, own nothing, and may be called twice."""

from typing import Any

import structlog
from celery import shared_task
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.db import InterfaceError, OperationalError, connection

from lsml.jobs.database import retry_while_database_is_down
from lsml.training import folders
from lsml.training.inbox.process import process_waiting_events
from lsml.training.lease import claim
from lsml.training.sweep import sweep_all
from lsml.training.worker.supervisor import Supervisor, stopping
from lsml.training.worker.training_process import warm_process

log = structlog.get_logger(__name__)


@shared_task
def process_inbox(project_id: int) -> None:
    """Look at what waits for a project."""
    retry_while_database_is_down(
        lambda: process_waiting_events(project_id), give_up=stopping.is_set
    )


@shared_task
def train(run_id: int) -> None:
    """Carry a run to its end. A second delivery finds nothing to claim and returns."""
    claimed = retry_while_database_is_down(
        lambda: claim(run_id), give_up=stopping.is_set
    )
    if claimed is not None:
        Supervisor(*claimed).carry()
        warm_process.prepare()


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
        folders.remove_orphans()
        warm_process.prepare()


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    stopping.set()


@worker_shutdown.connect
def _stopped(**_: Any) -> None:
    warm_process.dismiss()
