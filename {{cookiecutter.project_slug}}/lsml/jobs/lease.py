"""The lease: which worker may write a job, until when, and with which fence.

The lease is a row, not a lock: it survives a restart of the database and works behind
a transaction-pooling pgbouncer. A worker that returns after losing its lease has an old
fence, so its writes change nothing.
"""

import os
import socket
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Func, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from lsml.jobs.errors import IllegalMove, Overtaken
from lsml.jobs.models import Job
from lsml.jobs.states import State, move

log = structlog.get_logger(__name__)
J = TypeVar("J", bound=Job)


def claim(model: type[J], pk: int, **changes: Any) -> J | None:
    """Claim a queued job for this worker; None if it is not queued any more.

    Args:
        model: The job's model.
        pk: The job's primary key.
        changes: Other columns to reset for the new attempt, such as `done` if it counts
            from 0 again.
    """
    job = model._default_manager.filter(pk=pk).first()
    if job is None or job.state != State.QUEUED:
        return None
    fence, number = job.fence + 1, job.attempts + 1
    with suppress(IllegalMove, Overtaken), transaction.atomic():
        move(
            job,
            State.RUNNING,
            fence=fence,
            attempts=number,
            started_at=timezone.now(),
            lease_owner=owner(),
            lease_expires_at=expiry(),
            message="starting",
            done_before=changes.get("done", job.done),
            **changes,
        )
        log.info("attempt started", job=str(job), attempt=number, fence=fence)
        return job
    return None


def renew(job: J, **changes: Any) -> J | None:
    """Extend the lease and write `changes`.

    Returns:
        The job as it is now, without its log, so that the caller sees a cancellation.
        None if another process has the job; nothing was written.
    """
    held = type(job)._default_manager.filter(
        pk=job.pk, state=State.RUNNING, fence=job.fence
    )
    if not held.update(lease_expires_at=expiry(), **changes):
        return None
    return held.defer("log").first()


def expired(model: type[J]) -> QuerySet[J]:
    """Return running jobs whose worker stopped renewing the lease.

    After a restart of PostgreSQL every worker has TRAINING_LEASE_S to renew, because
    none could while the database was down.
    """
    started = Func(
        function="pg_postmaster_start_time", output_field=DateTimeField(), arity=0
    )
    grace = _moment(started + timedelta(seconds=settings.TRAINING_LEASE_S))
    jobs: Any = model._default_manager
    held: QuerySet[J] = jobs.alias(
        silent_after=Greatest(F("lease_expires_at"), grace)
    ).filter(state=State.RUNNING, silent_after__lt=Now())
    return held


def expiry() -> Combinable:
    """Return when a lease renewed now expires, by the database's clock."""
    return _moment(Now() + timedelta(seconds=settings.TRAINING_LEASE_S))


def owner() -> str:
    """Return this worker's name, `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _moment(value: Any) -> Combinable:
    return ExpressionWrapper(value, output_field=DateTimeField())
