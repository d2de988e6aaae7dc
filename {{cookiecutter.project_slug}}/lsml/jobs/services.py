"""What a person asks of a job, the same for every kind: cancel it, try it again."""

from django.utils import timezone

from lsml.jobs.errors import IllegalMove, storable
from lsml.jobs.kinds import Event, J, kind_of
from lsml.jobs.outcomes import end
from lsml.jobs.states import State
from lsml.observability.origin import Origin


def request_cancel(job: J, *, actor: str, reason: str, origin: Origin) -> None:
    """Stop a job: at once while it waits, soon while it runs.

    A worker sees the request within about a second. Asking again changes nothing.

    Args:
        job: Brought up to date.
        actor: User name, or the command.
        reason: The person's words; kept in the audit log.
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
    """Start a new job for what that one did not finish.

    Raises:
        IllegalMove: The job is active, or left nothing to do.
        JobError: The new one cannot be started; the sentence says why.
    """
    kind = kind_of(job)
    if not kind.may_retry(job):
        raise IllegalMove(job, "a new attempt")
    return kind.retry(job, actor=actor, origin=origin)
