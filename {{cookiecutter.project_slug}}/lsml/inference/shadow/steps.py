"""Lets a version predict many tasks in small steps, behind whatever else waits."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from lsml.inference.errors import ModelBusy, ModelError, ModelNotLoadable
from lsml.inference.services import Predicted, predict_shadow
from lsml.model_process.errors import ModelProcessUnavailable
from lsml.observability.origin import Origin
from lsml.registry.errors import StorageUnavailable
from lsml.registry.served import Served

_STEP: Final = 20  # tasks per call of predict(), at most

Tasks = Sequence[dict[str, Any]]


def predict_in_steps(
    serving: Served,
    tasks: Tasks,
    *,
    origin: Origin,
    step_s: float,
    on_wait: Callable[[], None],
    fatal: tuple[type[ModelError], ...] = (ModelNotLoadable,),
) -> Iterator[tuple[Tasks, Predicted | ModelError]]:
    """Yield the tasks of each step, and what was predicted or why it failed.

    Waits while the model is busy or away.

    Args:
        serving: The version, whether it is served or not.
        tasks: As Label Studio sends them: `id` and `data`.
        origin: Of the recorded predictions.
        step_s: How long a step should take at most: what people wait for may have to
            wait for its end. A slow model gets smaller steps.
        on_wait: Called before each wait; may raise to end it.
        fatal: Errors that are raised; others are those of a task.
    """
    done, step = 0, 1  # the first call tells how slow the model is
    while done < len(tasks):
        part = tasks[done : done + step]
        started = time.monotonic()
        found: Predicted | ModelError
        try:
            found = _predict(serving, part, origin, on_wait)
        except fatal:
            raise
        except ModelError as error:
            if len(part) > 1:  # one of them is the cause
                step = 1
                continue
            found = error
        took_s = time.monotonic() - started
        step = max(1, step // 2) if took_s > step_s else min(_STEP, step * 2)
        done += len(part)
        yield part, found


def _predict(
    serving: Served, tasks: Tasks, origin: Origin, on_wait: Callable[[], None]
) -> Predicted:
    while True:
        try:
            return predict_shadow(serving, list(tasks), origin=origin)
        except (ModelBusy, ModelProcessUnavailable, StorageUnavailable) as error:
            on_wait()
            time.sleep(error.retry_after_s)
