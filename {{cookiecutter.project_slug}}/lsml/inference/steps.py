"""Lets a version predict many tasks in small steps, behind whatever else waits.

For jobs that compare versions: evaluations, and versions in shadow.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from lsml.inference.errors import (
    GivenUp,
    ModelBusy,
    ModelCrashed,
    ModelError,
    ModelNotLoadable,
    ModelTimedOut,
)
from lsml.inference.services import Predicted, predict_shadow
from lsml.model_process.errors import ModelProcessUnavailable
from lsml.observability.origin import Origin
from lsml.registry.errors import StorageUnavailable
from lsml.registry.served import Served

STEP_S: Final = 1.0  # a click of an annotator waits while a call runs
_STEP: Final = 20  # tasks per call of predict(), at most
ALONE: Final = 6  # calls with a single task each, which tell how fast the model is
_FAILURES_MAX: Final = 10  # one after the other
_NAMED: Final = 5  # tasks in a sentence

Tasks = Sequence[dict[str, Any]]


def next_step(step: int, *, took_s: float, most: int, step_s: float = STEP_S) -> int:
    """Return how many tasks the next call gets, after `step` tasks took so long.

    Args:
        step: Tasks of the last call.
        took_s: Its duration.
        most: Tasks of a call, at most.
        step_s: How long a call should take at most.
    """
    if took_s > step_s:
        return max(1, step // 2)
    return min(most, step * 2) if took_s < step_s / 4 else step


def predict_in_steps(
    serving: Served,
    tasks: Tasks,
    *,
    origin: Origin,
    on_wait: Callable[[], None],
    step_s: float = STEP_S,
    alone: int = ALONE,
) -> Iterator[tuple[Tasks, Predicted | ModelError]]:
    """Yield the tasks of each step, and what was predicted or why the task failed.

    Waits while the model is busy or away. If a step of several tasks fails, they are
    tried one by one.

    Args:
        serving: The version, whether it is served or not.
        tasks: As Label Studio sends them: `id` and `data`.
        origin: Of the recorded predictions.
        on_wait: Called before each wait; may raise to end it.
        step_s: How long a step should take at most: what people wait for may have to
            wait for its end. A slow model gets smaller steps.
        alone: How many calls get a single task, before steps grow.

    Raises:
        ModelNotLoadable: The version cannot be loaded.
        GivenUp: It hung, its process ended, or it failed on many tasks one after the
            other. The first two cost others their predictions, so it is not tried
            again.
    """
    done, calls, step, failures = 0, 0, 1, 0
    while done < len(tasks):
        part = tasks[done : done + step]
        started = time.monotonic()
        found: Predicted | ModelError
        try:
            found = _predict(serving, part, origin, on_wait)
        except ModelNotLoadable:
            raise
        except (ModelTimedOut, ModelCrashed) as error:
            raise GivenUp(serving.version, _named(part), error) from error
        except ModelError as error:
            if len(part) > 1:  # one of them is the cause
                step = 1
                continue
            found = error
        failed = isinstance(found, ModelError)
        failures = failures + 1 if failed else 0
        calls += 1
        if calls >= alone and not failed:
            took_s = time.monotonic() - started
            step = next_step(step, took_s=took_s, step_s=step_s, most=_STEP)
        done += len(part)
        yield part, found
        if isinstance(found, ModelError) and failures >= _FAILURES_MAX:
            raise GivenUp(serving.version, _named(part), found) from found


def _predict(
    serving: Served, tasks: Tasks, origin: Origin, on_wait: Callable[[], None]
) -> Predicted:
    while True:
        try:
            return predict_shadow(serving, list(tasks), origin=origin)
        except (ModelBusy, ModelProcessUnavailable, StorageUnavailable) as error:
            on_wait()
            time.sleep(error.retry_after_s)


def _named(tasks: Tasks) -> str:
    if len(tasks) == 1:
        return f"task {tasks[0]['id']}"
    more = ", …" if len(tasks) > _NAMED else ""
    ids = ", ".join(str(task["id"]) for task in tasks[:_NAMED])
    return f"one of {len(tasks)} tasks ({ids}{more})"
