"""How often a stable project seems to drift, and how soon a shift is found."""

from collections.abc import Callable, Iterable

import numpy as np

from benchmarks.quality.tables import percent, table
from lsml.quality.drift import features
from lsml.quality.drift.features import Feature
from lsml.quality.drift.observed import Answer, Text

_WORDS = 2_000  # of the vocabulary, by Zipf's law
_SNAPSHOT = 400  # tasks
_HELD_OUT = 100  # of which the version's predictions are known
_LIVE = (50, 100, 200, 500)
_STABLE = (50, 200, 500)
_PROJECTS = 40
_CHECKS = 5  # of each; a fifth of the live tasks is new in each of them
_SHIFTS = 50  # of each kind and size
Random = np.random.Generator

_frequency = 1 / np.arange(1, _WORDS + 1)
_frequency = np.cumsum(_frequency / _frequency.sum())


def texts(
    random: Random, count: int, *, longer: float = 1.0, other: float = 0.0
) -> list[Text]:
    """Return texts of 15 words at the median.

    Args:
        random: Where they come from.
        count: How many.
        longer: How many times as long as usual.
        other: The share of texts that use other words.
    """
    found = []
    for words in random.lognormal(np.log(15 * longer), 0.6, count):
        used = np.searchsorted(_frequency, random.random(int(words) + 1))
        prefix = "x" if random.random() < other else "w"
        names = frozenset(f"{prefix}{word}" for word in used)
        found.append(Text(int(6 * words) + 1, names))
    return found


def answers(
    random: Random, count: int, *, moved: float = 0.0, surer: float = 0.0
) -> list[Answer]:
    """Return answers with one of four labels, and scores of 0.8 on average.

    Args:
        random: Where they come from.
        count: How many.
        moved: By how much the share of A is above 40 %, and that of B below 30 %.
        surer: By how much scores are above 0.8 on average.
    """
    shares = (0.4 + moved, 0.3 - moved, 0.2, 0.1)
    mean = 0.8 + surer
    return [
        Answer({"topic": frozenset({str(label)})}, float(score))
        for label, score in zip(
            random.choice(list("ABCD"), count, p=shares),
            random.beta(8 * mean, 8 * (1 - mean), count),
            strict=True,
        )
    ]


def false_alarms(live: int) -> tuple[int, int]:
    """Return how many checks of stable projects found drift, in how many projects."""
    random = np.random.default_rng(4)
    checks = projects = 0
    for _ in range(_PROJECTS):
        snapshot, annotated = texts(random, _SNAPSHOT), answers(random, _SNAPSHOT)
        held_out = answers(random, _HELD_OUT)
        step = live // 5
        count = live + step * (_CHECKS - 1)
        now = texts(random, count), answers(random, count), answers(random, count)
        found = 0
        for start in range(0, count - live + 1, step):
            window = slice(start, start + live)
            text, annotations, predictions = (each[window] for each in now)
            compared = (
                *features.lengths("text", text, snapshot, ""),
                *features.vocabularies("text", text, snapshot, ""),
                *features.labels("annotated labels", annotations, annotated, ""),
                *features.labels("predicted labels", predictions, held_out, ""),
                *features.scores(predictions, held_out, ""),
            )
            found += any(feature.differs for feature in compared)
        checks += found
        projects += found > 0
    return checks, projects


Compare = Callable[[Random, int], Iterable[Feature]]

SHIFTS: dict[str, Compare] = {
    "15 points of the annotated labels": lambda random, live: features.labels(
        "", answers(random, live, moved=0.15), answers(random, _SNAPSHOT), ""
    ),
    "15 points of the predicted labels": lambda random, live: features.labels(
        "", answers(random, live, moved=0.15), answers(random, _HELD_OUT), ""
    ),
    "scores of 0.7 instead of 0.8": lambda random, live: features.scores(
        answers(random, live, surer=-0.1), answers(random, _HELD_OUT), ""
    ),
    "texts half as long again": lambda random, live: features.lengths(
        "", texts(random, live, longer=1.5), texts(random, _SNAPSHOT), ""
    ),
    "other words in a tenth of the texts": lambda random, live: features.vocabularies(
        "", texts(random, live, other=0.1), texts(random, _SNAPSHOT), ""
    ),
    "other words in half of the texts": lambda random, live: features.vocabularies(
        "", texts(random, live, other=0.5), texts(random, _SNAPSHOT), ""
    ),
}


def found(shift: Compare, live: int) -> float:
    """Return the share of shifts that one check finds."""
    random = np.random.default_rng(5)
    each = (
        any(feature.differs for feature in shift(random, live)) for _ in range(_SHIFTS)
    )
    return sum(each) / _SHIFTS


def stable_table() -> str:
    """Show how often a project that does not change seems to drift."""
    checks = _PROJECTS * _CHECKS
    rows = []
    for live in _STABLE:
        wrong, projects = false_alarms(live)
        share = percent(wrong / checks, 1)
        rows.append([str(live), f"{wrong} of {checks}", share, str(projects)])
    return table(
        ["live tasks", "checks that found drift", "share", f"of {_PROJECTS} projects"],
        rows,
    )


def shift_table() -> str:
    """Show what share of shifts one check finds."""
    rows = (
        [name, *(percent(found(shift, live)) for live in _LIVE)]
        for name, shift in SHIFTS.items()
    )
    return table(["shift", *(f"{live} live tasks" for live in _LIVE)], rows)
