"""Checks probabilities that a training reports about tasks it did not learn from."""

import math
import operator
from collections.abc import Mapping
from reprlib import repr as short_repr
from typing import Any

Probabilities = dict[int, dict[str, float]]  # by task ID, by label

_TASK_ID_MAX = (1 << 63) - 1
_SUM_MAX = 1.01  # of a row; float16 rounds


def checked(given: Any) -> tuple[Probabilities, list[str]]:
    """Return the usable rows, and for each other one a sentence that says why not.

    Args:
        given: Task ID -> label -> probability; NumPy's and torch's are converted.
    """
    if not isinstance(given, Mapping):
        return {}, [f"expected a dict by task ID, not {_shown(given)}."]
    rows: Probabilities = {}
    errors = []
    for task_id, row in given.items():
        try:
            rows[_task_id(task_id)] = _row(row)
        except ValueError as error:
            errors.append(f"task {_shown(task_id)}: {error}")
    return rows, errors


def _task_id(value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number <= _TASK_ID_MAX:
        raise ValueError("this is not the ID of a task.")
    return number


def _row(row: Any) -> dict[str, float]:
    if not isinstance(row, Mapping) or not row:
        raise ValueError("expected a dict of label to probability.")
    found = {_label(label): _probability(label, row[label]) for label in row}
    if sum(found.values()) > _SUM_MAX:
        raise ValueError("the probabilities add up to more than 1.")
    return found


def _label(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"the label {_shown(value)} is not a string.")  # noqa: TRY004
    return str(value)  # NumPy's strings are a subclass


def _probability(label: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # torch's
        number = math.nan
    if not 0 <= number <= 1:  # false for NaN, too
        raise ValueError(
            f"the probability of {_shown(label)} is {_shown(value)}, not from 0 to 1."
        )
    return number


def _shown(value: object) -> str:
    try:
        return short_repr(value)
    except Exception:  # noqa: BLE001 - of the value: an integer of 5,000 digits has none
        return f"a {type(value).__name__}"
