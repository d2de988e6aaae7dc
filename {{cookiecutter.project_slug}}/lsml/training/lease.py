"""The lease: who may write a run's result, by the database's clock and a number.

A row, not a lock: it outlives a database restart, works through a transaction-pooling
pgbouncer, and whoever comes back late names an old fence and changes nothing.
"""

import os
import socket
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Func, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from lsml.training.errors import IllegalMove, Overtaken
from lsml.training.models import TrainingAttempt, TrainingRun
from lsml.training.states import State, move

log = structlog.get_logger(__name__)


def _moment(value: Any) -> Combinable:
    return ExpressionWrapper(value, output_field=DateTimeField())


def expiry() -> Combinable:
    """When a lease taken or renewed now ends, as the database computes it."""
    return _moment(Now() + timedelta(seconds=settings.TRAINING_LEASE_S))


def claim(run_id: int) -> tuple[TrainingRun, TrainingAttempt] | None:
    """Take a queued run for this worker; None where there is nothing to take."""
    run = TrainingRun.objects.select_related("project").filter(pk=run_id).first()
    if run is None or run.state != State.QUEUED:
        return None
    now, fence, number = timezone.now(), run.fence + 1, run.attempts + 1
    with suppress(IllegalMove, Overtaken), transaction.atomic():
        move(
            run,
            State.RUNNING,
            fence=fence,
            attempts=number,
            started_at=now,
            lease_owner=owner(),
            lease_expires_at=expiry(),
            progress=0,
            message="starting",
            metrics={},
        )
        attempt = _begin_attempt(run, now)
        log.info("training begins", run=run.pk, attempt=number, fence=fence)
        return run, attempt
    return None


def _begin_attempt(run: TrainingRun, now: datetime) -> TrainingAttempt:
    return TrainingAttempt.objects.create(
        run=run,
        number=run.attempts,
        fence=run.fence,
        worker=run.lease_owner,
        started_at=now,
        # Written down before anything is stored under it, so that whoever cleans up
        # after a killed worker knows where to look.
        artifact_key=f"project-{run.project_id}/run-{run.pk}/{run.fence}.tar",
    )


def renew(run: TrainingRun, **changes: Any) -> TrainingRun | None:
    """Prove to be alive, and write what changed; None: the lease is another's.

    Returns:
        The run as it is now: `cancel_requested_at` may be set.
    """
    held = TrainingRun.objects.filter(pk=run.pk, state=State.RUNNING, fence=run.fence)
    if not held.update(lease_expires_at=expiry(), **changes):
        return None
    return held.first()


def expired() -> QuerySet[TrainingRun]:
    """Running runs whose worker fell silent.

    After a restart of PostgreSQL every worker gets a whole lease to report back: none
    could while it was down.
    """
    started = Func(
        function="pg_postmaster_start_time", output_field=DateTimeField(), arity=0
    )
    grace = _moment(started + timedelta(seconds=settings.TRAINING_LEASE_S))
    return TrainingRun.objects.alias(
        silent_after=Greatest(F("lease_expires_at"), grace)
    ).filter(state=State.RUNNING, silent_after__lt=Now())


def owner() -> str:
    """This worker's name: host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"
