"""What people can do with a job of any kind: cancel it, retry it."""

from django.utils import timezone

from lsml.jobs.errors import IllegalMove, NothingToRetry, storable
from lsml.jobs.kinds import Event, J, kind_of
from lsml.jobs.outcomes import end
from lsml.jobs.states import State
from lsml.observability.origin import Origin


def request_cancel(job: J, *, actor: str, reason: str, origin: Origin) -> None:
    """Cancel a job: at once if it is queued, otherwise by asking its worker.

    The worker sees the request within about a second. A second request changes nothing.

    Args:
        job: Refreshed from the database afterwards.
        actor: User name, or the command.
        reason: As the person wrote it; kept in the audit log.
        origin: Of the request.

    Raises:
        IllegalMove: The job has ended; nothing was written.
    """
    kind = kind_of(job)
    jobs = type(job)._default_manager
    with kind.transaction(job):
        fresh = jobs.select_for_update(no_key=True, of=("self",)).get(pk=job.pk)
        if fresh.state not in fresh.ACTIVE:
            raise IllegalMove(fresh, State.CANCELLED)
        if fresh.cancel_requested_at is None:
            fresh.cancel_requested_at = timezone.now()
            fresh.cancel_requested_by = actor[:200]
            fresh.cancel_reason = storable(reason)
            fresh.save(
                update_fields=[
                    "cancel_requested_at",
                    "cancel_requested_by",
                    "cancel_reason",
                ]
            )
            kind.record(
                fresh, Event.CANCELLED, actor=actor, origin=origin, reason=reason
            )
            if fresh.state != State.RUNNING:
                end(fresh, State.CANCELLED)
    job.refresh_from_db()


def retry(job: J, *, actor: str, origin: Origin) -> J:
    """Start a new job for what `job` did not finish.

    Raises:
        NothingToRetry: The job is active, or has done all of its work.
        JobError: The new job cannot be started; the message says why.
    """
    kind = kind_of(job)
    if not kind.may_retry(job):
        raise NothingToRetry(job)
    return kind.retry(job, actor=actor, origin=origin)
