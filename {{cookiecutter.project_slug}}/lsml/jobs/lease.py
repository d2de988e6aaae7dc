"""The lease: which worker may write a job, until when, and with which fence.

The lease is a row, not a lock: it survives a restart of the database and works behind
a transaction-pooling pgbouncer. A worker that comes back late names an old fence and
changes nothing.
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
    """Take a queued job for this worker; None where there is nothing to take.

    Args:
        model: The kind of job.
        pk: The job.
        changes: Other columns, reset for the new attempt; `done` among them where it
            counts from 0 again.
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
        log.info("attempt begins", job=str(job), attempt=number, fence=fence)
        return job
    return None


def renew(job: J, **changes: Any) -> J | None:
    """Extend the lease and write `changes`; None: another process has the job.

    Returns:
        The job as it is now, without its log: `cancel_requested_at` may be set.
    """
    held = type(job)._default_manager.filter(
        pk=job.pk, state=State.RUNNING, fence=job.fence
    )
    if not held.update(lease_expires_at=expiry(), **changes):
        return None
    return held.defer("log").first()


def expired(model: type[J]) -> QuerySet[J]:
    """Running jobs whose worker stopped renewing the lease.

    After a restart of PostgreSQL every worker gets a whole lease to report back, as
    none could renew while it was down.
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
    """When a lease taken or renewed now ends, as the database computes it."""
    return _moment(Now() + timedelta(seconds=settings.TRAINING_LEASE_S))


def owner() -> str:
    """This worker's name: host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _moment(value: Any) -> Combinable:
    return ExpressionWrapper(value, output_field=DateTimeField())
