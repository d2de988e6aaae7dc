"""Finds jobs with an expired lease or a lost message.

Any number of processes may sweep at the same time.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.db.models import Q
from django.db.models.functions import Now

from lsml.jobs import lease, outcomes
from lsml.jobs.errors import JobError
from lsml.jobs.kinds import JobKind, all_kinds
from lsml.jobs.models import Job
from lsml.jobs.notify import is_backed_up, notify
from lsml.jobs.states import State

log = structlog.get_logger(__name__)


def sweep() -> None:
    """Check all kinds of job once; an error in one kind does not stop the others.

    Raises:
        OperationalError, InterfaceError: The database is down.
    """
    for kind in all_kinds():
        for step in (give_up_silent_workers, notify_queued_jobs):
            _try(partial(step, kind), kind)
        _try(kind.sweep, kind)


def give_up_silent_workers(kind: JobKind[Any]) -> None:
    """Send jobs whose lease expired back to the queue, or fail them."""
    for job in lease.expired(kind.model).defer("log"):
        _try(partial(_give_up, job), kind)


def _give_up(job: Job) -> None:
    worker = job.lease_owner
    with suppress(JobError):  # its worker renewed, or another sweeper did it
        outcomes.lose(job)
        log.warning("worker stopped answering", job=str(job), worker=worker)


def notify_queued_jobs(kind: JobKind[Any]) -> None:
    """Send another message for queued jobs that no worker has claimed."""
    again = timedelta(seconds=outcomes.NOTIFY_AGAIN_S)
    jobs = kind.model._default_manager
    forgotten = jobs.filter(
        Q(notified_at__isnull=True)
        | Q(notified_at__lt=Now() - again)
        | Q(notified_at__gt=Now() + again),  # by a host whose clock is ahead
        state=State.QUEUED,
    ).values_list("pk", flat=True)
    if not forgotten or is_backed_up(kind.task):
        return
    for pk in forgotten:
        if notify(kind.task, pk):
            log.info("sent another message for a queued job", kind=kind.name, job=pk)
            jobs.filter(pk=pk).update(notified_at=Now())


def _try(step: Callable[[], object], kind: JobKind[Any]) -> None:
    try:
        step()
    except Exception as error:  # must not stop other kinds and jobs
        # A deadlock or a statement timeout is an OperationalError as well.
        down = isinstance(error, OperationalError | InterfaceError)
        if down and not connection.is_usable():
            raise
        log.exception("sweep failed", kind=kind.name)
