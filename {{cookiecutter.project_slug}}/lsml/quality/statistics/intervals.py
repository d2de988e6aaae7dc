"""Intervals for what a version reaches on tasks: means, precision, recall, F1.

All are Wilson's interval, which stays within 0 and 1 and does not claim certainty when
every task is right. Scores between 0 and 1, or tasks with several regions, vary less or
more than right and wrong do: the interval is then that of the number of tasks with
which right and wrong would vary as much. Of fewer than TASKS_MIN tasks, the range is
everything: nothing can be told.
"""

from collections.abc import Iterable, Sequence
from math import sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

from lsml.dataset.measures import Counts

LEVEL: Final = 0.95  # of an interval that is shown
# With fewer, simulated intervals contain the true value in far fewer cases, or in all.
TASKS_MIN: Final = 5
# What a rare low score counts that may not be among few. With 1, more intervals are
# wider than necessary; with 0.5, some are right in fewer than 93 of 100 cases.
_UNSEEN: Final = 0.7


class Interval(NamedTuple):
    """An estimate, and the range that contains the true value in 95 % of cases."""

    value: float
    low: float
    high: float


def proportion(successes: int, tasks: int) -> Interval | None:
    """Return the share of successes; None without tasks."""
    return _interval(successes / tasks, tasks, tasks) if tasks else None


def mean(scores: Sequence[float]) -> Interval | None:
    """Return the mean of scores from 0 to 1; None without scores."""
    return ratio([(score, 1) for score in scores])


def mean_of_sums(count: int, total: float, squares: float) -> Interval:
    """Return the same as `mean`, of scores of which only sums are known.

    Args:
        count: How many scores, at least one.
        total: Their sum.
        squares: The sum of their squares.
    """
    value = min(1.0, max(0.0, total / count))
    observed = max(0.0, squares - count * value**2)
    return _interval(value, count, count / _effect(value, count, observed))


def with_variance(value: float, variance: float) -> Interval:
    """Return the interval of a share that is known with this variance, above 0."""
    # Of as many tasks as would make the centre of the interval vary as much.
    centre = min(0.99, max(0.01, value))
    return _wilson(value, centre * (1 - centre) / variance)


def independent_difference(one: Interval, other: Interval) -> Interval:
    """Return how much larger one estimate is than another, of other tasks.

    Newcombe's interval, from the distance of each estimate to its own bounds.
    """
    value = one.value - other.value
    low = sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    high = sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    return Interval(value, value - low, value + high)


def precision(counts: Iterable[Counts]) -> Interval | None:
    """Return the share of the predicted that is right; None if nothing is predicted.

    Args:
        counts: One label in each task.
    """
    return ratio([(each.both, each.both + each.only_predicted) for each in counts])


def recall(counts: Iterable[Counts]) -> Interval | None:
    """Return the share of the annotated that is found; None if nothing is annotated.

    Args:
        counts: One label in each task.
    """
    return ratio([(each.both, each.both + each.only_annotated) for each in counts])


def f1(counts: Iterable[Counts]) -> Interval | None:
    """Return the F1 over all tasks; None if nothing is predicted or annotated.

    F1 is 2j / (1 + j) of the share j of what is predicted or annotated that is both. So
    its bounds are those of j.

    Args:
        counts: One label in each task.
    """
    shares = ratio([(each.both, sum(each)) for each in counts])
    return shares and Interval(*(2 * share / (1 + share) for share in shares))


def ratio(tasks: Sequence[tuple[float, float]]) -> Interval | None:
    """Return the sum of parts by the sum of wholes; None if all wholes are 0.

    Args:
        tasks: Of each task, a part and the whole, with 0 <= part <= whole. The tasks
            are independent of each other, what is in one of them need not be.
    """
    total = sum(whole for _, whole in tasks)
    if not total:
        return None
    value = sum(part for part, _ in tasks) / total
    squares = sum(whole**2 for _, whole in tasks)
    count = sum(1 for _, whole in tasks if whole)
    size = squares / count
    observed = sum((part - value * whole) ** 2 for part, whole in tasks) / size
    independent = total**2 / squares / _effect(value, count, observed)
    return _interval(value, count, independent)


def _interval(value: float, count: int, independent: float) -> Interval:
    """Return the interval of `count` tasks that are worth so many independent ones."""
    return (
        _wilson(value, independent) if count >= TASKS_MIN else Interval(value, 0.0, 1.0)
    )


def _effect(value: float, count: int, observed: float) -> float:
    """Return how much more scores vary than right and wrong; below 1, less.

    As if there were one more task that is right or wrong: few equal scores are no proof
    that all are. Where scores vary less than right and wrong, as if 0.7 of one more
    were as far from the mean as can be: a rare low score may not be among few.

    Args:
        value: The mean.
        count: How many scores.
        observed: The sum of their squared distances from the mean.
    """
    one = value * (1 - value)
    if not one:
        return 1.0
    most = (count + 1) * one
    unseen = _UNSEEN * max(value, 1 - value) ** 2
    return max((observed + one) / most, min(1.0, (observed + unseen) / most))


def _wilson(share: float, tasks: float) -> Interval:
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    centre = (share + z**2 / (2 * tasks)) / (1 + z**2 / tasks)
    half = (z * sqrt(share * (1 - share) / tasks + (z / (2 * tasks)) ** 2)) / (
        1 + z**2 / tasks
    )
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))
