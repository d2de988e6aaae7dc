"""How soon a drop of agreement is reported, and how often one that is none."""

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.quality.tables import percent, table
from lsml.quality.statistics.sequential import DropDetector

WEEK = 500  # annotations
_WEEKS = 10  # that a version serves
_LONGEST = 3_000  # annotations; a drop that is not reported by then counts as missed
_VERSIONS = 500
_DROPS = 1_000
Random = np.random.Generator


def known(level: float) -> DropDetector:
    """Return a detector that knows the usual level, as no service can."""
    return DropDetector(annotations=10**12, reference=level)


def false_alarms(
    level: float, start: DropDetector | None = None, versions: int = _VERSIONS
) -> float:
    """Return the reports in 100 weeks without a drop, on average.

    Args:
        level: Agreement of all versions.
        start: When a version is promoted; None = nothing is known.
        versions: How many serve for ten weeks each.
    """
    random = np.random.default_rng(1)
    reports = 0
    for _ in range(versions):
        state = start or DropDetector()
        for _ in range(_WEEKS * 10):
            values = (random.random(WEEK // 10) < level).tolist()
            after = state.update(values)
            reports += after.dropped and not state.dropped
            state = after
    return 100 * reports / (versions * _WEEKS)


def delays(
    level: float,
    dropped_to: float,
    *,
    start: DropDetector | None = None,
    weeks: Sequence[int] = (0,),
    drops: int = _DROPS,
) -> list[float]:
    """Return after how many annotations each drop is reported; infinite if never.

    Args:
        level: Agreement before the drop.
        dropped_to: Agreement after it.
        start: When a version is promoted; None = nothing is known.
        weeks: For how long it was served before the drop, by turns.
        drops: How many are simulated.
    """
    random = np.random.default_rng(2)
    found = []
    for number in range(drops):
        before = random.random(weeks[number % len(weeks)] * WEEK) < level
        state = (start or DropDetector()).update(before.tolist())
        found.append(_until(state, dropped_to, random, dropped=True))
    return found


def recovery(level: float, dropped_to: float, drops: int = 200) -> list[float]:
    """Return after how many annotations at the old level a long drop is over."""
    random = np.random.default_rng(3)
    found = []
    for _ in range(drops):
        values = (random.random(1_000) < dropped_to).tolist()
        state = known(level).update(values)
        found.append(_until(state, level, random, dropped=False))
    return found


def _until(
    state: DropDetector, level: float, random: Random, *, dropped: bool
) -> float:
    values = (random.random(_LONGEST) < level).tolist()
    for n, value in enumerate(values, 1):
        state = state.update([value])
        if state.dropped == dropped:
            return n
    return math.inf


def reference_table() -> str:
    """Compare a known usual level with an estimated one, for agreement of 85 %."""
    starts = [("known", known(0.85)), ("estimated", None)]
    moments = [
        ("at any time", range(1, _WEEKS + 1)),
        *((f"after {weeks:,} weeks", [weeks]) for weeks in (1, 2, 4, 8)),
    ]
    return table(
        ["usual level", "the drop comes", *_HEAD, "20 points: median"],
        [
            [
                name,
                moment.replace("1 weeks", "1 week"),
                *_figures(0.85, start, weeks),
                quantile(delays(0.85, 0.65, start=start, weeks=weeks), 0.5),
            ]
            for name, start in starts
            for moment, weeks in (moments if start is None else moments[:1])
        ],
    )


def level_table() -> str:
    """Compare levels of agreement, with a known reference."""
    rows = (
        [
            percent(level),
            *_figures(level, known(level), [0]),
            quantile(recovery(level, level - 0.1), 0.5),
        ]
        for level in (0.3, 0.5, 0.7, 0.85, 0.95)
    )
    return table(["agreement", *_HEAD, "over after: median"], rows)


_HEAD = ["false reports in 100 weeks", "10 points: median", "nine of ten"]


def _figures(
    level: float, start: DropDetector | None, weeks: Sequence[int]
) -> list[str]:
    found = delays(level, level - 0.1, start=start, weeks=weeks)
    alarms = false_alarms(level, start)
    return [f"{alarms:.2f}", quantile(found, 0.5), quantile(found, 0.9)]


def quantile(values: list[float], share: float, longest: int = _LONGEST) -> str:
    """Write a quantile of numbers of annotations; infinite is longer than `longest`."""
    found = sorted(values)[math.ceil(share * len(values)) - 1]
    return f"over {longest:,}" if math.isinf(found) else f"{found:.0f}"
