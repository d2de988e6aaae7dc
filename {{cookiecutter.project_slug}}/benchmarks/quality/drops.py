"""How soon a drop of agreement is reported, and how often one that is none."""

import math

import numpy as np

from benchmarks.quality.tables import percent, table
from lsml.quality.statistics.sequential import REFERENCE_ANNOTATIONS, DropDetector

WEEK = 500  # annotations
_WEEKS = 10  # that a version serves
_LONGEST = 3_000  # annotations; a drop that is not reported by then counts as missed
_VERSIONS = 500
_DROPS = 1_000
Random = np.random.Generator


def detector(random: Random, level: float, learned_from: int | None) -> DropDetector:
    """Return one that knows the true level, or estimated it from some annotations."""
    if learned_from is None:
        return DropDetector.with_reference(level)
    estimate = float(random.binomial(learned_from, level)) / learned_from
    return DropDetector(annotations=REFERENCE_ANNOTATIONS, reference=estimate)


def false_alarms(
    level: float, learned_from: int | None = None, versions: int = _VERSIONS
) -> float:
    """Return the reports in 100 weeks without a drop, on average."""
    random = np.random.default_rng(1)
    reports = 0
    for _ in range(versions):
        state = detector(random, level, learned_from)
        for _ in range(_WEEKS * 10):
            values = (random.random(WEEK // 10) < level).tolist()
            after = state.update(values)
            reports += after.dropped and not state.dropped
            state = after
    return 100 * reports / (versions * _WEEKS)


def delays(
    level: float,
    dropped_to: float,
    learned_from: int | None = None,
    drops: int = _DROPS,
) -> list[float]:
    """Return after how many annotations each drop is reported; infinite if never."""
    random = np.random.default_rng(2)
    return [
        _until(detector(random, level, learned_from), dropped_to, random, dropped=True)
        for _ in range(drops)
    ]


def recovery(level: float, dropped_to: float, drops: int = 200) -> list[float]:
    """Return after how many annotations at the old level a long drop is over."""
    random = np.random.default_rng(3)
    found = []
    for _ in range(drops):
        values = (random.random(1_000) < dropped_to).tolist()
        state = DropDetector.with_reference(level).update(values)
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
    """Compare a known reference with estimated ones, for agreement of 85 %."""
    return table(
        ["reference", *_HEAD, "20 points: median"],
        (
            [
                "known" if n is None else f"from {n:,} annotations",
                *_figures(0.85, n),
                _quantile(delays(0.85, 0.65, n), 0.5),
            ]
            for n in (None, 2_000, 1_000, 500, 200)
        ),
    )


def level_table() -> str:
    """Compare levels of agreement, with a known reference."""
    rows = (
        [
            percent(level),
            *_figures(level, None),
            _quantile(recovery(level, level - 0.1), 0.5),
        ]
        for level in (0.3, 0.5, 0.7, 0.85, 0.95)
    )
    return table(["agreement", *_HEAD, "over after: median"], rows)


_HEAD = ["false reports in 100 weeks", "10 points: median", "nine of ten"]


def _figures(level: float, learned_from: int | None) -> list[str]:
    found = delays(level, level - 0.1, learned_from)
    alarms = false_alarms(level, learned_from)
    return [f"{alarms:.2f}", _quantile(found, 0.5), _quantile(found, 0.9)]


def _quantile(values: list[float], share: float) -> str:
    found = sorted(values)[math.ceil(share * len(values)) - 1]
    return f"over {_LONGEST:,}" if math.isinf(found) else f"{found:.0f}"
