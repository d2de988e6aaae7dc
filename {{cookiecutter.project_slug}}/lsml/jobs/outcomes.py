"""Ends jobs, or puts them back into the queue. Each function checks the fence.

Each raises Overtaken, and writes nothing, if another worker, the sweeper or a person
moved the job first.
"""

from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from lsml.jobs.errors import Overtaken
from lsml.jobs.kinds import Event, kind_of
from lsml.jobs.models import Job
from lsml.jobs.notify import notify
from lsml.jobs.states import State, move
from lsml.observability.origin import Origin

# The sweeper sends another message for a job that is still queued after so long.
NOTIFY_AGAIN_S = 5.0

# A cancellation is recorded when it is requested, so not here.
_RECORDED = {State.SUCCEEDED: Event.SUCCEEDED, State.FAILED: Event.FAILED}


def wake_worker(job: Job) -> None:
    """Send a message about a queued job after the transaction commits."""
    task = kind_of(job).task
    transaction.on_commit(partial(notify, task, job.pk))


def end(job: Job, state: State, **changes: Any) -> State:
    """End a job; call inside its kind's transaction.

    A job whose cancellation was requested ends as cancelled, whatever its work did: the
    audit log already says so.

    Args:
        job: With the fence its worker was given.
        state: Succeeded, failed or cancelled.
        changes: Other columns, such as `error`.

    Returns:
        The state in which it ended.
    """
    kind = kind_of(job)
    _lock(job)
    if job.cancel_requested_at is not None:
        state, changes = State.CANCELLED, {}
    if state == State.SUCCEEDED:
        changes["progress"] = 1
    move(job, state, finished_at=timezone.now(), **changes)
    if state != State.SUCCEEDED:
        kind.on_unfinished(job)
    if kind.records_end and state in _RECORDED:
        kind.record(job, _RECORDED[state], actor="worker", origin=job_origin(job))
    kind.on_end(job)
    return state


def hand_back(job: Job) -> None:
    """Queue the job again because its worker stops. Does not count as a failure."""
    _requeue(job, message="handed back by a worker that stopped")


def lose(job: Job) -> None:
    """Take the job from a worker that stopped renewing the lease.

    Args:
        job: As found by `lease.expired`.

    Raises:
        Overtaken: Its worker has renewed the lease since, or the job was moved.
    """
    reason = (
        f"Worker {job.lease_owner} stopped answering: killed, out of memory, or cut off"
        " from the network."
    )
    kind = kind_of(job)
    seen = job.lease_expires_at
    with kind.transaction(job):
        _lock(job)
        if job.lease_expires_at != seen:
            raise Overtaken(job)
        move(job, State.LOST, message=reason)
        kind.on_attempt_lost(job, reason)
        try_again_or_fail(job, reason)


def try_again_or_fail(job: Job, reason: str) -> None:
    """Count a failed attempt; try again while TRAINING_MAX_ATTEMPTS allows."""
    failures = job.failures + 1
    if failures < settings.TRAINING_MAX_ATTEMPTS:
        message = f"attempt {job.attempts} failed; waits for a worker"
        _requeue(job, message=message, failures=failures)
    else:
        error = f"Gave up after {failures} attempts. The last one: {reason}"
        end(job, State.FAILED, failures=failures, error=error)


def _requeue(job: Job, *, message: str, **changes: Any) -> None:
    """Put the job back into the queue, or cancel it if that was requested."""
    _lock(job)
    if job.cancel_requested_at is not None:
        end(job, State.CANCELLED)
        return
    move(job, State.QUEUED, message=message, notified_at=Now(), **changes)
    wake_worker(job)


def _lock(job: Job) -> None:
    """Lock the job until the commit, and read what others wrote to it.

    Otherwise a cancellation requested just before the end would be in the audit log but
    have no effect.

    Raises:
        Overtaken: The job's state or fence has changed since it was read.
    """
    unchanged = type(job)._default_manager.filter(
        pk=job.pk, state=job.state, fence=job.fence
    )
    columns = unchanged.values("cancel_requested_at", "lease_expires_at")
    found = columns.select_for_update(no_key=True).first()
    if found is None:
        raise Overtaken(job)
    job.cancel_requested_at = found["cancel_requested_at"]
    job.lease_expires_at = found["lease_expires_at"]


def job_origin(job: Job) -> Origin:
    """Return the origin that all rows written by a job share."""
    return Origin(
        request_id=f"{kind_of(job).name}-{job.pk:08d}",
        client=job.lease_owner or "worker",
    )
