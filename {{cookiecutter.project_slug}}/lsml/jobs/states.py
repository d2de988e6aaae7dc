"""The states of a job, and the one function that moves a job between them."""

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
    """Move a job from the state it was read in, and write `changes` along with it.

    State and fence must still be those the caller read. So of two processes that move
    the same job, one succeeds, and a worker that lost its lease moves nothing.

    Args:
        job: As read; brought up to date.
        target: The new state.
        changes: Other columns; an expression (a database clock, say) is not read back.

    Raises:
        IllegalMove: There is no such move; nothing was written.
        Overtaken: The job is not in that state with that fence any more.
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
