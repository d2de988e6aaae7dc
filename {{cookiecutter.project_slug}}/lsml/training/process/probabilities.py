"""Packs the out-of-sample probabilities of a training for the report to the worker."""

import math
import struct
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final

from label_studio_ml.out_of_sample import checked
from lsml.dataset.measures.regions import NAME_CHARS_MAX
from lsml.jobs.errors import storable

TASKS_MAX: Final = 20_000  # of a control; as many annotations are examined
NUMBERS_MAX: Final = 2_000_000  # of all controls; each has four bytes


def packed(probabilities: Any) -> Iterator[dict[str, Any]]:
    """Yield for each control what `outcomes.succeed` stores: the newest tasks.

    The run's log says what is left out. That may be a whole control: a training of
    hours must not fail here.

    Args:
        probabilities: `Run.probabilities`, to which user code may have added anything.
    """
    if not isinstance(probabilities, Mapping):
        return
    for control, rows in probabilities.items():
        try:
            one = _packed(control, rows, most=NUMBERS_MAX // len(probabilities))
        except Exception as error:  # noqa: BLE001 - also MemoryError
            _log(f"Probabilities of {control} are not kept: {error!r:.300}")
        else:
            if one["labels"]:
                yield one


def _packed(control: str, given: Any, *, most: int) -> dict[str, Any]:
    """Pack one control; a label that the model of a task did not know has NaN there.

    Args:
        control: Name of the tag.
        given: Task ID -> label -> probability.
        most: Numbers to keep.
    """
    newest = sorted(given, reverse=True)[:TASKS_MAX]
    rows, _ = checked({task: given[task] for task in newest})
    labels = sorted({label for row in rows.values() for label in row})
    tasks = list(rows)[: most // max(1, len(labels))]
    if len(tasks) < len(given):
        _log(
            f"The out-of-sample probabilities of {control} are kept for the newest"
            f" {len(tasks)} of {len(given)} tasks."
        )
    numbers = [rows[task].get(label, math.nan) for task in tasks for label in labels]
    return {
        "control": storable(control)[:NAME_CHARS_MAX],
        "labels": list(map(storable, labels)),
        "task_ids": tasks,
        "probabilities": b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode(),
    }


def _log(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - into the run's log
