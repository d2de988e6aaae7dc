"""Checks what the user's `embed()` returned."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from lsml.inference.errors import USER_ERRORS, ModelError
from lsml.labelstudio.secrets import error_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DIMENSIONS_MAX: Final = 4_096
_LARGEST: Final = 1e15  # its square is far from what a 32-bit float cannot hold


def read_vectors(
    returned: Any, *, tasks: Sequence[dict[str, Any]]
) -> list[list[float]]:
    """Return a vector for each task, all of the same length.

    Args:
        returned: What iterates over vectors: lists, NumPy arrays or tensors.
        tasks: Those that `embed()` got.

    Raises:
        ModelError: The sentence names what is wrong, and for which task.
    """
    try:
        rows = list(returned)
    except USER_ERRORS as error:
        raise ModelError(
            f"embed() returned an object of type {type(returned).__name__}; expected a"
            " vector for each task."
        ) from error
    if len(rows) != len(tasks):
        raise ModelError(
            f"embed() returned {len(rows)} vectors for {len(tasks)} tasks; expected one"
            " for each."
        )
    vectors = [
        _vector(row, _place(task, number))
        for number, (row, task) in enumerate(zip(rows, tasks, strict=True), start=1)
    ]
    lengths = sorted({len(vector) for vector in vectors})
    if len(lengths) > 1:
        raise ModelError(
            f"embed() returned vectors of different lengths, {lengths[0]} and"
            f" {lengths[-1]}; expected the same number of values for every task."
        )
    return [vector.tolist() for vector in vectors]


def _vector(row: Any, place: str) -> "NDArray[np.float64]":
    import numpy as np  # takes a tenth of a second, and most processes never need it

    try:
        vector = np.asarray(row, np.float64)
    except USER_ERRORS as error:
        raise ModelError(
            f"embed() returned for {place} what cannot be read as a list of numbers:"
            f" {error_text(error)}"
        ) from error
    if vector.ndim != 1 or not 0 < len(vector) <= _DIMENSIONS_MAX:
        raise ModelError(
            f"embed() returned an array of shape {vector.shape} for {place}; expected a"
            f" list of 1 to {_DIMENSIONS_MAX:,} numbers."
        )
    if not (np.abs(vector) < _LARGEST).all():
        raise ModelError(
            f"embed() returned NaN, infinity or a number beyond {_LARGEST:g} for"
            f" {place}."
        )
    return vector


def _place(task: dict[str, Any], number: int) -> str:
    return f"task {task['id']}" if "id" in task else f"task number {number}"
