"""Two versions on the same tasks: how much they differ, and whether a ratio fell.

Most of two versions' answers are the same, so the difference of their scores on each
task varies much less than the scores do.
"""

from collections.abc import Sequence
from math import comb, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

from lsml.quality.statistics.intervals import LEVEL, TASKS_MIN, Interval

_NORMAL = NormalDist()
# At most one time in so many, the true median is below `median_at_least`.
_ONE_IN: Final = 20


def difference(differences: Sequence[float], level: float = LEVEL) -> Interval:
    """Return the mean difference with its interval; without tasks, that is -1 to 1.

    As if there were one more task, half of it won by each version: that a few tasks
    do not differ is no proof that none does (after Bonett and Price, 2012, who add two
    whole tasks, which covers too much).

    Args:
        differences: Of each task, the score of one version minus that of the other.
        level: Share of such intervals that are to contain the true difference.
    """
    tasks = len(differences) + 1
    centre = sum(differences) / tasks
    variance = (sum(each**2 for each in differences) + 1) / tasks - centre**2
    half = _NORMAL.inv_cdf((1 + level) / 2) * sqrt(variance / tasks)
    return Interval(
        sum(differences) / max(1, len(differences)),
        max(-1.0, centre - half),
        min(1.0, centre + half),
    )


def difference_shown(differences: Sequence[float]) -> Interval:
    """Return `difference` for people: from -1 to 1 if too few tasks differ to tell."""
    found = difference(differences)
    told = sum(1 for each in differences if each) >= TASKS_MIN
    return found if told else Interval(found.value, -1.0, 1.0)


def median_at_least(values: Sequence[float]) -> float:
    """Return what the median is at least, with 95 % certainty; 0 of fewer than five.

    From the sign test, which assumes nothing about the distribution: one value in ten
    may be a hundred times as large as the others.

    Args:
        values: From 0 on.
    """
    count, below, possible = len(values), 0, 0
    while (possible := possible + comb(count, below)) * _ONE_IN <= 2**count:
        below += 1
    return sorted(values)[below - 1] if below else 0.0


class Change(NamedTuple):
    """A ratio of two versions on the same tasks.

    `p` is the probability of such a fall, or a larger one, if both were equally good.
    """

    before: float
    after: float
    p: float


def change(
    before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]]
) -> Change | None:
    """Compare two ratios, such as the recall of a label; None if one has no whole.

    A score test: for recall, where both versions have the same wholes, it is McNemar's.
    It adds one task that differs, which keeps it close to the exact test on few tasks.

    Args:
        before: Of each task, a part and the whole, with 0 <= part <= whole.
        after: The same tasks in the same order, by the other version.
    """
    wholes = sum(whole for _, whole in before), sum(whole for _, whole in after)
    if not all(wholes):
        return None
    parts = sum(part for part, _ in before), sum(part for part, _ in after)
    common = sum(parts) / sum(wholes)
    falls = [
        (part - common * whole) / wholes[0] - (new - common * of_new) / wholes[1]
        for (part, whole), (new, of_new) in zip(before, after, strict=True)
    ]
    size = sum(whole**2 for _, whole in (*before, *after)) / sum(wholes)
    variance = sum(fall**2 for fall in falls) + size**2 / (wholes[0] * wholes[1])
    p = _NORMAL.cdf(-sum(falls) / sqrt(variance))
    return Change(parts[0] / wholes[0], parts[1] / wholes[1], p)
