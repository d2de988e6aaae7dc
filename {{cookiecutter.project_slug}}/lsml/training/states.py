"""The states of a run, and the one function that moves a run between them."""

from typing import Any, Final

from django.db.models.expressions import Combinable

from lsml.training.errors import IllegalMove, Overtaken
from lsml.training.models import TrainingRun

State = TrainingRun.State

MOVES: Final[dict[State, frozenset[State]]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: frozenset(
        {
            State.SUCCEEDED,
            State.FAILED,
            State.CANCELLED,
            State.LOST,  # its worker fell silent
            State.QUEUED,  # handed back, or crashed with attempts left
        }
    ),
    State.LOST: frozenset({State.QUEUED, State.FAILED, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}


def move(run: TrainingRun, target: State, **changes: Any) -> None:
    """Move a run from the state it was read in, and write `changes` along with it.

    State and fence must still be those the caller read; so of two who move the same
    run one succeeds, and a worker that lost its lease moves nothing.

    Args:
        run: As read; brought up to date.
        target: The new state.
        changes: Other columns; an expression (a database clock, say) is not read back.

    Raises:
        IllegalMove: There is no such move; nothing was written.
        Overtaken: The run is not in that state with that fence any more.
    """
    if target not in MOVES[State(run.state)]:
        raise IllegalMove(run, target)
    unchanged = TrainingRun.objects.filter(pk=run.pk, state=run.state, fence=run.fence)
    if not unchanged.update(state=target, **changes):
        raise Overtaken(run)
    run.state = target
    for name, value in changes.items():
        if not isinstance(value, Combinable):
            setattr(run, name, value)
