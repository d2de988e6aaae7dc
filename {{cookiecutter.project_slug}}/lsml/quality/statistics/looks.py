"""Does a new version agree less with annotators than the one before it?

Asked while annotations come in, but only after 20, 40, 80, 150 and 300 of them: each
look may be wrong in a fifth of the cases in which all together may be wrong.
benchmarks/quality/ measures how often that is, and how soon a worse version is found.
"""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist, fmean
from typing import Final, NamedTuple

LOOKS: Final = (20, 40, 80, 150, 300)  # annotations of the new version
FORMER_MIN: Final = 50  # annotations of the version before it; with fewer, no look
FORMER_MAX: Final = 500
_ERRORS: Final = 0.01  # of equally good versions, found to be worse at any look

_BOUND: Final = NormalDist().inv_cdf(1 - _ERRORS / len(LOOKS))


class Worse(NamedTuple):
    """A version agrees less with annotators than the one before it."""

    level: float  # mean agreement, 0 to 1
    annotations: int
    former_level: float
    former_annotations: int


def worse_at_last_look(former: Sequence[float], new: Sequence[float]) -> Worse | None:
    """Return by how much a version is worse; None if it is not significantly worse.

    A score test of two means, with the variance of all values together. It adds one
    annotation of the new version that disagrees: where agreement is almost always 1,
    two disagreements of 20 are no proof.

    Args:
        former: Agreement with the version before, 0 to 1 each.
        new: Agreement with the new one, in the order of its annotations.
    """
    look = max((each for each in LOOKS if each <= len(new)), default=None)
    if look is None or len(former) < FORMER_MIN:
        return None
    values = [*former, *new[:look]]
    common = fmean(values)
    variance = fmean((each - common) ** 2 for each in values)
    error = sqrt(variance * (1 / len(former) + 1 / look) + 1 / look**2)
    found = Worse(fmean(new[:look]), look, fmean(former), len(former))
    return found if found.former_level - found.level > _BOUND * error else None
