"""Decodes brush masks: Label Studio's run-length encoding of RGBA bytes.

The code: 32 bits length, 5 bits word size - 1, four times 4 bits size - 1; then runs,
each with one bit (a repeated value or literal values), two bits that choose one of the
four sizes, and the length - 1 in that size. Only alpha carries the mask.

label-studio-sdk's decoder reads bit by bit (a photo takes seconds) and allocates what
the code claims.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from numpy import bool_, int64
    from numpy.typing import NDArray

    Integers = NDArray[int64]

_BYTES_MAX: Final = 2_000_000  # of one code
_HEADER: Final = 53  # bits
_WINDOW: Final = 64  # bits read at once: up to 7 before a run, 3 + 16 + 32 of it


@dataclass(frozen=True, slots=True)
class Alpha:
    """The pixels that are not transparent, numbered row by row."""

    borders: "Integers"  # alternately the start and the end of an interval
    pixels: int  # of the image
    runs: int  # that were read


def decode_alpha(code: object, *, runs_max: int) -> Alpha | None:
    """Return the mask; None if the code is broken, or has more than `runs_max` runs.

    The image is never allocated, so a large one costs only its runs.
    """
    import numpy as np  # here: web imports this module, and numpy takes 0.1 s

    if not isinstance(code, list) or not 8 <= len(code) <= _BYTES_MAX:
        return None
    starts: list[int] = []
    stops: list[int] = []
    literal = [np.empty(0, np.int64)]
    runs = 0
    try:
        data = bytes(code)
        length = int.from_bytes(data[:4])
        for start, stop, on in _runs(data, length):
            runs += 1
            if runs > runs_max:
                return None
            if not isinstance(on, bool):
                bytes_on = np.flatnonzero(on) + start
                literal.append(bytes_on[bytes_on % 4 == 3] // 4)
            elif on:
                starts.append(start // 4)
                stops.append(stop // 4)
    except (ValueError, TypeError):  # not bytes, or broken
        return None
    single = np.concatenate(literal)
    borders = _merged(
        np.concatenate((np.array(starts, np.int64), single)),
        np.concatenate((np.array(stops, np.int64), single + 1)),
    )
    return Alpha(borders, length // 4, runs)


def _runs(
    data: bytes, length: int
) -> "Iterator[tuple[int, int, bool | NDArray[bool_]]]":
    """Yield start, end, and whether all of the run, or which of its bytes, are not 0.

    Raises:
        ValueError: The code ends too early, or a run goes past the length.
    """
    import numpy as np

    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    sizes, word = _sizes(data)
    data += bytes(_WINDOW // 8)  # windows may reach past the end
    place, at = _HEADER, 0
    while at < length:
        window = int.from_bytes(data[place >> 3 : (place >> 3) + _WINDOW // 8])
        shift = _WINDOW - (place & 7) - 3
        kind = window >> shift & 7
        shift -= sizes[kind & 3]
        count = (window >> shift & (1 << sizes[kind & 3]) - 1) + 1
        place += 3 + sizes[kind & 3]
        repeated = kind > 3
        end = place + (word if repeated else word * count)
        if end > bits.size or at + count > length:
            raise ValueError("the code ends too early, or a run goes past the length")
        if repeated:
            value = window >> shift - word & (1 << word) - 1
            yield at, at + count, value > 0
        else:
            values = bits[place:end].reshape(count, word)
            yield at, at + count, np.logical_or.reduce(values, axis=1)
        place, at = end, at + count


def _sizes(data: bytes) -> tuple[list[int], int]:
    """Return the four sizes of lengths, and the word size, in bits."""
    header = int.from_bytes(data[:8]) >> 64 - _HEADER
    sizes = [(header >> shift & 15) + 1 for shift in (12, 8, 4, 0)]
    return sizes, (header >> 16 & 31) + 1


def _merged(starts: "Integers", stops: "Integers") -> "Integers":
    """Return the borders of disjoint intervals in order, joining those that touch."""
    import numpy as np

    used = stops > starts
    order = np.argsort(starts[used], kind="stable")
    starts, stops = starts[used][order], stops[used][order]
    apart = starts[1:] > stops[:-1]
    first = np.concatenate((starts[:1], starts[1:][apart]))
    last = np.concatenate((stops[:-1][apart], stops[-1:]))
    return np.stack((first, last), axis=1).ravel()
