"""How often intervals contain the true value: 95 % is promised."""

from collections.abc import Callable, Iterator
from math import comb

import numpy as np

from benchmarks.quality.tables import percent, table
from lsml.dataset.measures import Counts
from lsml.quality.statistics.intervals import (
    Interval,
    f1,
    independent_difference,
    mean,
    precision,
    proportion,
    recall,
)
from lsml.quality.statistics.paired import difference_shown

SIZES = 50, 200, 1000  # tasks
REPETITIONS = 1_000
_EVERYTHING = 1.0  # width of the range of a share; of a difference, it is wider
_RARE = 0.02  # a share of so few intervals says nothing

Random = np.random.Generator
Draw = Callable[[Random, int], Interval | None]  # the interval of that many tasks


def covered(
    draw: Draw, truth: float, tasks: int, repetitions: int = REPETITIONS
) -> tuple[float, float]:
    """Return the share of intervals that contain the truth, and of those that exist.

    A range of everything is no interval: pages say that the tasks are too few. It goes
    on until so many intervals exist, unless nearly none does.
    """
    random = np.random.default_rng(tasks)
    right: list[bool] = []
    drawn = 0
    while len(right) < repetitions and len(right) >= _RARE * (drawn - repetitions):
        drawn += 1
        found = draw(random, tasks)
        if found and found.high - found.low < _EVERYTHING:
            right.append(found.low <= truth <= found.high)
    return float(np.mean(right)) if right else 0.0, len(right) / drawn


def coverage_exactly(truth: float, tasks: int) -> float:
    """Return the share for a proportion, summed over all possible counts."""
    return sum(
        comb(tasks, right) * truth**right * (1 - truth) ** (tasks - right)
        for right in range(tasks + 1)
        if (found := proportion(right, tasks)) and found.low <= truth <= found.high
    )


def coverage_table() -> str:
    """Simulate all kinds of intervals."""
    return table(
        ["interval of", "true value", *(f"{n} tasks" for n in SIZES)],
        (
            [name, f"{truth:g}", *(_cell(*covered(draw, truth, n)) for n in SIZES)]
            for name, truth, draw in cases()
        ),
    )


def _cell(right: float, shown: float) -> str:
    """Write the share that is right, and how many are shown if not all are."""
    if shown < _RARE:
        return f"– ({percent(shown)} shown)"
    return percent(right, 1) + (f" ({percent(shown)} shown)" if shown < 1 else "")


def exact_table() -> str:
    """Compute the coverage of accuracies, without chance."""
    return table(
        ["accuracy", *(f"{n} tasks" for n in SIZES)],
        (
            [f"{p:g}", *(percent(coverage_exactly(p, n), 1) for n in SIZES)]
            for p in (0.5, 0.85, 0.97)
        ),
    )


def cases() -> Iterator[tuple[str, float, Draw]]:
    for truth in (0.5, 0.85, 0.97):
        yield "accuracy", truth, _accuracy(truth)
    yield "scores: 70 % are 1, the others evenly from 0 to 1", 0.85, _mixed
    yield "scores: most above 0.99, a few far below", 0.97, _skewed
    for failed, good in ((0.02, 0.99), (0.05, 0.97), (0.03, 0.85)):
        name = f"scores: around {good:g}, but {percent(failed)} are 0"
        yield name, (1 - failed) * good, failing(failed, good)
    for share in (0.02, 0.05, 0.1):
        rare = f"of a label on {percent(share)} of the tasks"
        yield f"F1 {rare}", 0.8, _label(f1, share)
        yield f"precision {rare}", 0.8, _label(precision, share)
        yield f"recall {rare}", 0.8, _label(recall, share)
    yield "F1 of spans, three per task on average", 0.8, _spans
    for differ, gained in ((0.02, 0), (0.05, 0), (0.05, 0.02), (0.1, 0.03), (0.2, 0.1)):
        name = f"difference of two versions, {percent(differ)} of the answers differ"
        yield name, gained, _difference(differ, gained)
    for share in (0.05, 0.2):
        name = f"agreement of 0.91 if shown and 0.84 if not, {percent(share)} not shown"
        yield name, 0.07, _not_shown(share)


def _accuracy(truth: float) -> Draw:
    return lambda random, tasks: proportion(int(random.binomial(tasks, truth)), tasks)


def _mixed(random: Random, tasks: int) -> Interval | None:
    right = random.random(tasks) < 0.7
    return mean(np.where(right, 1, random.random(tasks)).tolist())


def _skewed(random: Random, tasks: int) -> Interval | None:
    return mean(random.beta(1.94, 0.06, tasks).tolist())


def failing(failed: float, good: float) -> Draw:
    """Return a draw of scores that are 0 on some tasks, and near `good` on others."""

    def draw(random: Random, tasks: int) -> Interval | None:
        scores = random.beta(10 * good, 10 * (1 - good), tasks)
        return mean(np.where(random.random(tasks) < failed, 0, scores).tolist())

    return draw


def _label(measure: Callable[[list[Counts]], Interval | None], share: float) -> Draw:
    """Return a draw of tasks with one label each; precision and recall are 0.8."""

    def draw(random: Random, tasks: int) -> Interval | None:
        annotated = random.random(tasks) < share
        chance = np.where(annotated, 0.8, 0.2 * share / (1 - share))
        predicted = random.random(tasks) < chance
        # Tasks without the label change nothing.
        return measure(
            [
                Counts(int(a and b), int(b and not a), int(a and not b))
                for a, b in zip(annotated, predicted, strict=True)
                if a or b
            ]
        )

    return draw


def _spans(random: Random, tasks: int) -> Interval | None:
    """Draw tasks that are differently hard: their spans are not independent."""
    spans = random.poisson(3, tasks)
    found = random.binomial(spans, random.beta(8, 2, tasks))
    wrong = random.binomial(spans, random.beta(2, 8, tasks))
    each = zip(spans.tolist(), found.tolist(), wrong.tolist(), strict=True)
    return f1([Counts(right, more, all_ - right) for all_, right, more in each])


def _difference(differ: float, gained: float) -> Draw:
    chances = [(differ + gained) / 2, (differ - gained) / 2, 1 - differ]

    def draw(random: Random, tasks: int) -> Interval:
        better, worse, same = random.multinomial(tasks, chances)
        return difference_shown([1.0] * better + [-1.0] * worse + [0.0] * same)

    return draw


def _not_shown(share: float) -> Draw:
    """Return the difference of those shown and those not shown, of so many in all."""

    def draw(random: Random, tasks: int) -> Interval | None:
        few = max(1, round(share * tasks))
        shown = proportion(int(random.binomial(tasks - few, 0.91)), tasks - few)
        other = proportion(int(random.binomial(few, 0.84)), few)
        return shown and other and independent_difference(shown, other)

    return draw
