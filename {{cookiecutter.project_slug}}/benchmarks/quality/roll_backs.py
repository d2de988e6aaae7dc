"""How soon a worse version is rolled back, and how often one that is not worse."""

import math

import numpy as np

from benchmarks.quality.drops import quantile
from benchmarks.quality.tables import percent, table
from lsml.quality.statistics.looks import (
    FORMER_MAX,
    FORMER_MIN,
    LOOKS,
    worse_at_last_look,
)

_EQUAL = 5_000  # versions
_WORSE = 1_000


def rolled_back_after(
    level: float, points: int, former: int = FORMER_MAX, versions: int = _WORSE
) -> list[float]:
    """Return after how many annotations each version is rolled back.

    Args:
        level: Agreement with the version before, 0 to 1.
        points: By how much the new versions are worse, of 100.
        former: How many annotations the version before has.
        versions: How many new ones; infinite for those that are not rolled back.
    """
    random = np.random.default_rng(4)
    return [
        _one(
            (random.random(former) < level).tolist(),
            (random.random(LOOKS[-1]) < level - points / 100).tolist(),
        )
        for _ in range(versions)
    ]


def _one(former: list[float], new: list[float]) -> float:
    looks = (look for look in LOOKS if worse_at_last_look(former, new[:look]))
    return next(looks, math.inf)


def roll_back_table() -> str:
    """Compare levels of agreement, and how much is known of the version before."""
    cases = [(level, FORMER_MAX) for level in (0.3, 0.5, 0.7, 0.85, 0.95)]
    fewer = [(0.85, former) for former in (200, 100, FORMER_MIN)]
    return table(
        [
            "agreement before",
            "annotations before",
            "equal: rolled back",
            "10 points worse: rolled back",
            "after: median",
            "20 points worse: rolled back",
            "after: median",
        ],
        (
            [
                percent(level),
                str(former),
                percent(_share(rolled_back_after(level, 0, former, _EQUAL)), 1),
                *_found(level, 10, former),
                *_found(level, 20, former),
            ]
            for level, former in cases + fewer
        ),
    )


def _found(level: float, points: int, former: int) -> list[str]:
    found = rolled_back_after(level, points, former)
    return [percent(_share(found)), quantile(found, 0.5, LOOKS[-1])]


def _share(found: list[float]) -> float:
    return sum(map(math.isfinite, found)) / len(found)
