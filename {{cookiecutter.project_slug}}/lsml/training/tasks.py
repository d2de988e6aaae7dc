"""Celery tasks of training. They take ids and may be called twice."""

import threading
from contextlib import suppress
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown
from django.db import InterfaceError, OperationalError, connection

from lsml.environment import handshake
from lsml.environment.clock import warn_of_clock_skew
from lsml.jobs.database import retry_while_database_is_down
from lsml.jobs.running import stopping
from lsml.registry.model_class import describe_model
from lsml.training.inbox.process import process_waiting_events
from lsml.training.runs import claim_run
from lsml.training.worker import folders
from lsml.training.worker.supervisor import Supervisor
from lsml.training.worker.training_process import warm_process


@shared_task
def process_inbox(project_id: int) -> None:
    """Apply a project's waiting events, and open a run if the policy says so."""
    retry_while_database_is_down(
        lambda: process_waiting_events(project_id), give_up=stopping.is_set
    )


@shared_task
def train(run_id: int) -> None:
    """Run a training to its end. A second delivery finds nothing to claim."""
    warn_of_clock_skew()
    claimed = retry_while_database_is_down(
        lambda: claim_run(run_id), give_up=stopping.is_set
    )
    if claimed is not None:
        Supervisor(*claimed).carry()
        warm_process.prepare()


@worker_ready.connect
def _prepare(sender: Any, **_: Any) -> None:
    queues = set(sender.app.amqp.queues.consume_from)
    threading.Thread(target=_warm_up, args=[queues], daemon=True).start()


def _warm_up(queues: set[str]) -> None:
    """Do in advance what the first events and the first run would wait for."""
    handshake.wait_until_ready()
    if "training" in queues:
        warm_process.prepare()
        _remove_orphans()
    if "default" in queues:
        with suppress(Exception):  # the first event reports it
            describe_model()  # imports model.py


def _remove_orphans() -> None:
    try:
        retry_while_database_is_down(folders.remove_orphans, give_up=stopping.is_set)
    except (OperationalError, InterfaceError):  # others report it
        return
    finally:
        connection.close()


@worker_shutdown.connect
def _stopped(**_: Any) -> None:
    warm_process.dismiss()
