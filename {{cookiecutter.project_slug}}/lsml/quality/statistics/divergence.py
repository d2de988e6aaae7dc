"""Do two samples of tasks differ by more than chance?

Imports NumPy, so import this module inside the function that uses it.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from math import ceil
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_SEED: Final = 54
_SPLITS: Final = 2_000  # random ones, per comparison
_SPLITS_AT_ONCE: Final = 250
_BINS: Final = 10  # of numbers
_NAMES_MAX: Final = 500  # the most frequent ones; the others count as one

STAYS: Final = 0.05  # of comparisons of equal samples are beyond the lower threshold

Matrix = NDArray[np.float32]  # a row per task, a column per bin or name


class Divergence(NamedTuple):
    """How far two samples are apart, and how far chance alone takes them.

    In bits: 0 if the shares are equal, 1 if the samples have nothing in common.
    """

    value: float
    opens: float  # beyond it, they differ
    stays: float  # a lower one: up to it, a difference is over


def of_numbers(
    live: Sequence[float], reference: Sequence[float], *, false_alarms: float
) -> Divergence:
    """Compare numbers, one per task, by the tenths of all of them together."""
    values = np.array([*live, *reference])
    edges = np.unique(np.quantile(values, np.arange(1, _BINS) / _BINS))
    bins = np.searchsorted(edges, values, side="right")
    matrix = np.eye(len(edges) + 1, dtype=np.float32)[bins]
    return _divergence(matrix, len(live), false_alarms)


def of_names(
    live: Sequence[Collection[str]],
    reference: Sequence[Collection[str]],
    *,
    false_alarms: float,
) -> Divergence:
    """Compare labels or words: the different ones of each task, of which it has some.

    Which names get a column must not depend on the sample that has them: then equal
    samples would seem to differ.
    """
    tasks = [*live, *reference]
    counts = Counter(name for names in tasks for name in names)
    frequent = sorted(counts, key=lambda name: (-counts[name], name))[:_NAMES_MAX]
    columns = {name: column for column, name in enumerate(frequent)}
    matrix = np.zeros((len(tasks), len(columns) + 1), np.float32)
    for row, names in enumerate(tasks):
        for name in names:
            matrix[row, columns.get(name, len(columns))] += 1
    return _divergence(matrix, len(live), false_alarms)


def _divergence(matrix: Matrix, live: int, false_alarms: float) -> Divergence:
    """Compare the first rows with the others, and with random splits of all rows.

    The thresholds are ranks among the splits, so at most the given share of comparisons
    of equal samples is beyond them, however small the samples and rare the names.
    """
    first = np.zeros((1, len(matrix)), np.float32)
    first[0, :live] = 1
    [value] = _jensen_shannon(first, matrix)
    chance = np.sort(
        np.concatenate(
            [_jensen_shannon(split, matrix) for split in _splits(len(matrix), live)]
        )
    )
    # Equal samples must not differ by an error of rounding.
    opens, stays = (
        float(chance[min(ceil((_SPLITS + 1) * (1 - share)), _SPLITS) - 1]) + 1e-6
        for share in (false_alarms, STAYS)
    )
    return Divergence(float(value), opens, stays)


def _splits(tasks: int, live: int) -> Iterator[Matrix]:
    """Yield blocks of random choices of as many tasks, a row each."""
    random = np.random.default_rng(_SEED)
    for _ in range(_SPLITS // _SPLITS_AT_ONCE):
        order = random.random((_SPLITS_AT_ONCE, tasks), np.float32)
        chosen = np.argpartition(order, live - 1, axis=1)[:, :live]
        split = np.zeros_like(order)
        np.put_along_axis(split, chosen, 1, axis=1)
        yield split


def _jensen_shannon(chosen: Matrix, matrix: Matrix) -> NDArray[np.float64]:
    """Return the divergence of the chosen tasks from the others, of each row."""
    ours = (chosen @ matrix).astype(float)
    theirs = matrix.sum(axis=0, dtype=float) - ours
    p = ours / ours.sum(axis=1, keepdims=True)
    q = theirs / theirs.sum(axis=1, keepdims=True)
    mean = (p + q) / 2
    found: NDArray[np.float64] = (_relative(p, mean) + _relative(q, mean)) / 2
    return found


def _relative(p: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Kullback-Leibler divergence from the mean, in bits."""
    ratio = np.divide(p, mean, out=np.ones_like(p), where=p > 0)
    found: NDArray[np.float64] = (p * np.log2(ratio)).sum(axis=1)
    return found
