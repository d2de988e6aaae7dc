"""The states of a job, and the only function that changes them."""

from typing import Any, Final

from django.db.models.expressions import Combinable

from lsml.jobs.errors import IllegalMove, Overtaken
from lsml.jobs.models import Job

State = Job.State

MOVES: Final[dict[State, frozenset[State]]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: frozenset(
        {
            State.SUCCEEDED,
            State.FAILED,
            State.CANCELLED,
            State.LOST,  # its worker stopped renewing the lease
            State.QUEUED,  # handed back, or crashed with attempts left
        }
    ),
    State.LOST: frozenset({State.QUEUED, State.FAILED, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}


def move(job: Job, target: State, **changes: Any) -> None:
    """Move a job to another state, and write `changes` in the same statement.

    State and fence must still be those that the caller read. So if two processes move
    the same job, one succeeds, and a worker that lost its lease changes nothing.

    Args:
        job: As read; updated in place.
        target: The new state.
        changes: Other columns. The value of an expression, such as the database's
            clock, is not read back.

    Raises:
        IllegalMove: MOVES does not allow it; nothing was written.
        Overtaken: The job's state or fence has changed since it was read.
    """
    if target not in MOVES[State(job.state)]:
        raise IllegalMove(job, target)
    unchanged = type(job)._default_manager.filter(
        pk=job.pk, state=job.state, fence=job.fence
    )
    if not unchanged.update(state=target, **changes):
        raise Overtaken(job)
    job.state = target
    for name, value in changes.items():
        if not isinstance(value, Combinable):
            setattr(job, name, value)
