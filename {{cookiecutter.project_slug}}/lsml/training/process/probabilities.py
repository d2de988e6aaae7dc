"""Packs the out-of-sample probabilities of a training for the report to the worker."""

import math
import struct
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final

from label_studio_ml.out_of_sample import Probabilities
from lsml.dataset.measures.regions import NAME_CHARS_MAX
from lsml.jobs.errors import storable

TASKS_MAX: Final = 20_000  # of a control; as many annotations are examined
NUMBERS_MAX: Final = 2_000_000  # of all controls; each has four bytes


def packed(probabilities: Mapping[str, Probabilities]) -> Iterator[dict[str, Any]]:
    """Yield for each control what `outcomes.succeed` stores: the newest tasks.

    A label that the model of a task did not know has NaN there.

    What is left out is said in the run's log.
    """
    for control, rows in probabilities.items():
        labels = sorted({label for row in rows.values() for label in row})
        if not labels:
            continue
        kept = min(TASKS_MAX, NUMBERS_MAX // len(probabilities) // len(labels))
        tasks = sorted(rows, reverse=True)[:kept]
        if len(tasks) < len(rows):
            print(  # noqa: T201 - into the run's log
                f"The out-of-sample probabilities of {control} are kept for the newest"
                f" {len(tasks)} of {len(rows)} tasks.",
                flush=True,
            )
        numbers = [
            rows[task].get(label, math.nan) for task in tasks for label in labels
        ]
        yield {
            "control": storable(control)[:NAME_CHARS_MAX],
            "labels": list(map(storable, labels)),
            "task_ids": tasks,
            "probabilities": b64encode(
                struct.pack(f"<{len(numbers)}f", *numbers)
            ).decode(),
        }
