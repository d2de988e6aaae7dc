"""Writes what the service measured, the same way on pages, in commands and messages.

Measured shares, such as agreement, scores of versions, precision and recall, are
percentages, and their differences are points. The score that a model gives its own
prediction stays a number from 0 to 1, as in Label Studio. A minus is ASCII here, for
commands and JSON; the console writes a typographic one.
"""

from collections.abc import Sequence
from typing import Final

# From this many observations on, one of them is a point or less: whole percents would
# hide it. With fewer, a decimal would say more than is known.
DECIMAL_FROM: Final = 100


def percent(share: float, count: int = 0) -> str:
    """Write a share: 93 %, or 93.4 % of 100 or more.

    Args:
        share: 0 to 1.
        count: How many tasks, annotations or regions it was measured on.
    """
    return f"{_hundredfold(share, count)} %"


def interval(values: Sequence[float], count: int = 0) -> str:
    """Write a share with its 95 % interval: 93 % (88–97 %).

    A range of everything says that too few tasks were measured: 67 % (too few to tell).

    Args:
        values: The share and the bounds of its interval.
        count: As for `percent`.
    """
    value, low, high = (_hundredfold(each, count) for each in values)
    if values[1] <= 0 and values[2] >= 1:
        return f"{value} % (too few to tell)"
    return f"{value} % ({low}–{high} %)"


def points(difference: float, count: int = 0) -> str:
    """Write a difference of two shares: 7 points, 1 point, -3.5 points."""
    value = _hundredfold(difference, count)
    return f"{value} point{'' if value in {'1', '-1'} else 's'}"


def points_interval(values: Sequence[float], count: int = 0) -> str:
    """Write a difference of two shares with its interval: 7 points (-3 to 26)."""
    value, low, high = values
    bounds = f"{_hundredfold(low, count)} to {_hundredfold(high, count)}"
    return f"{points(value, count)} ({bounds})"


def _hundredfold(share: float, count: int) -> str:
    decimals = 1 if count >= DECIMAL_FROM else 0
    return f"{100 * share:z.{decimals}f}"
