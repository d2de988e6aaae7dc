"""Turns class probabilities into the `score` of a prediction. Plain Python.

A score says how certain the model is of the whole task: 1 is certain, 0 undecided.
Label Studio's uncertainty sampling serves the lowest scores first.
"""

from __future__ import annotations

from math import isfinite, log
from typing import TYPE_CHECKING, SupportsFloat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    # A list, a NumPy array, a tensor. Shares of any sum, such as votes, work as well.
    Probabilities = Iterable[SupportsFloat]
    Measure = Callable[[Probabilities], float]


def margin(probabilities: Probabilities) -> float:
    """Return the most probable class minus the next: 0 if both are equal."""
    first, second = sorted([*_shares(probabilities), 0.0], reverse=True)[:2]
    return first - second


def least_confidence(probabilities: Probabilities) -> float:
    """Return the probability of the most probable class: 1 / classes if all are equal.

    The name is that of the sampling method: it labels first where this is lowest.
    """
    return max(_shares(probabilities))


def entropy(probabilities: Probabilities) -> float:
    """Return 1 minus the normalised entropy: 0 if all classes are equally probable."""
    shares = _shares(probabilities)
    if len(shares) == 1:
        return 1.0
    spread = -sum(share * log(share) for share in shares if share)
    return max(0.0, 1.0 - spread / log(len(shares)))


def task_score(
    regions: Iterable[Probabilities],
    measure: Measure = margin,
    combine: Callable[[list[float]], float] = min,
) -> float | None:
    """Return the score of a task with several regions.

    Args:
        regions: The class probabilities of each region, or of each word or label that
            the model decided on.
        measure: `margin`, `least_confidence` or `entropy`.
        combine: `min`, because one doubtful region is reason enough to look at the
            task, however many certain ones it has; or `statistics.mean`, if tasks with
            many regions would otherwise always come first.

    Returns:
        0 to 1, or None without regions: nothing was decided, so nothing is known.
    """
    scores = [measure(probabilities) for probabilities in regions]
    return combine(scores) if scores else None


def _shares(probabilities: Probabilities) -> list[float]:
    values = [float(value) for value in probabilities]
    total = sum(values)
    if not values or not isfinite(total) or min(values) < 0:
        raise ValueError(
            f"{values[:10]} are not class probabilities: pass one number from 0 to 1"
            " per class, for example the result of a softmax."
        )
    # All zero says as little as all equal.
    return [value / total if total else 1 / len(values) for value in values]
