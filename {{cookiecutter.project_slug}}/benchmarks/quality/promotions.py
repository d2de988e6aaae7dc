"""Which simulated versions the promotion rule promotes."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.tables import percent, table
from lsml.dataset.measures import Counts
from lsml.quality.gates.labels import fallen, label_changes
from lsml.quality.gates.rules import Gate, Scored, judge
from lsml.quality.statistics.paired import difference

GATE = Gate(rule="not_worse", margin=0.01)
DEFAULT = Gate()
LEVELS = 0.7, 0.8, 0.9, 0.95
POINTS = range(-6, 7)  # true differences

_ACCURACY = 0.85  # of the served version
_RIGHT = 0.8  # where one label gets worse
_MANY = 200  # trainings per figure
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Training:
    """Versions that choose one label per task; some of their answers differ.

    Attributes:
        gained: By how much the candidate is truly better.
        differ: Share of the tasks that only one of both gets right.
        labels: How many there are; from 20 on, few frequent and many rare ones.
    """

    gained: float
    tasks: int = 400
    differ: float = 0.1
    labels: int = 8

    def versions(self, random: Random) -> tuple[Scored, Scored]:
        """Return the candidate and the served version on new tasks."""
        weights = np.ones(self.labels)
        if self.labels >= 20:
            weights /= np.arange(1, self.labels + 1)
        truth = random.choice(self.labels, self.tasks, p=weights / weights.sum())
        wrong = (truth + random.integers(1, self.labels, self.tasks)) % self.labels
        other = (truth + random.integers(1, self.labels, self.tasks)) % self.labels
        draw = random.random(self.tasks)
        better = draw < (self.differ + self.gained) / 2
        worse = ~better & (draw < self.differ)
        right = random.random(self.tasks) < _ACCURACY
        served = np.where((right | worse) & ~better, truth, wrong)
        candidate = np.where(better, truth, np.where(worse, other, served))
        return scored("v2", truth, candidate), scored("v1", truth, served)


def scored(version: str, truth: Iterable[int], predicted: Iterable[int]) -> Scored:
    """Return a version that chose one label for each task."""
    each = list(enumerate(zip(truth, predicted, strict=True)))
    return Scored(
        version,
        {task: float(a == b) for task, (a, b) in each},
        {
            task: {f"intent: {a}": Counts(1, 0, 0)}
            if a == b
            else {f"intent: {a}": Counts(0, 0, 1), f"intent: {b}": Counts(0, 1, 0)}
            for task, (a, b) in each
        },
        {},
    )


def promoted(
    training: Training, gate: Gate = GATE, *, trainings: int = _MANY, seed: int = 1
) -> float:
    """Return the share of simulated trainings whose version the rule promotes."""
    random = np.random.default_rng(seed)
    verdicts = [judge(gate, *training.versions(random)) for _ in range(trainings)]
    return float(np.mean([verdict.passes for verdict in verdicts]))


def bar_table() -> str:
    """Judge 200 trainings: half 3 points worse, half 3 points better; then 1,000."""
    head = [
        "labels",
        *(f"{which}, of {n}" for n in (100, 500) for which in ("worse", "better")),
    ]
    rows = [
        [
            str(labels),
            *(
                percent(
                    promoted(Training(gained, labels=labels), trainings=n, seed=n),
                    1 if n > 100 else 0,
                )
                for n in (100, 500)
                for gained in (-0.03, 0.03)
            ),
        ]
        for labels in (2, 8, 20)
    ]
    return table(head, rows)


def operating_curves(gate: Gate = GATE) -> dict[float, list[float]]:
    """Return, by certainty, how many are promoted at each true difference."""
    curves: dict[float, list[float]] = {level: [] for level in LEVELS}
    for points in POINTS:
        random = np.random.default_rng(points + 100)
        chances = [(0.1 + points / 100) / 2, (0.1 - points / 100) / 2, 0.9]
        draws = random.multinomial(400, chances, 2_000)
        for level, curve in curves.items():
            bounds = [
                difference([1.0] * a + [-1.0] * b + [0.0] * c, 2 * level - 1).low
                for a, b, c in draws
            ]
            curve.append(float(np.mean(np.array(bounds) >= -gate.margin)))
    return curves


def level_table(gate: Gate = DEFAULT) -> str:
    """Write the operating curves for some true differences."""
    shown = [n for n in POINTS if abs(n) <= 4]
    return table(
        ["certainty", *(f"{n:+d}".replace("-", "−") if n else "0" for n in shown)],
        (
            [percent(level), *(percent(curve[n - POINTS[0]]) for n in shown)]
            for level, curve in operating_curves(gate).items()
        ),
    )


def size_table(gate: Gate = DEFAULT) -> str:
    """Judge trainings on fewer and more held-out tasks."""
    cases = (-0.1, 0.2), (-0.03, 0.1), (0.0, 0.1), (0.03, 0.1), (0.1, 0.2)
    better = Gate(rule="better")
    sizes = 10, 20, 50, 100, 200, 400
    head = ["held-out tasks", "10 worse", "3 worse", "equal", "3 better", "10 better"]
    return table(
        [*head, "*better*: equal", "*better*: 3 better", "*better*: 10 better"],
        (
            [
                str(tasks),
                *(_promoted_on(tasks, gate, *case) for case in cases),
                *(_promoted_on(tasks, better, *case) for case in cases[2:]),
            ]
            for tasks in sizes
        ),
    )


def margin_table() -> str:
    """Judge trainings with other margins than one point."""
    head = ["held-out tasks", "margin", "same answers"]
    gained = -0.05, -0.03, 0.0, 0.03, 0.05
    return table(
        [*head, "5 worse", "3 worse", "equal", "3 better", "5 better"],
        (
            [
                str(tasks),
                f"{points} point{'' if points == 1 else 's'}",
                _promoted_on(tasks, gate, 0, 0),
                *(_promoted_on(tasks, gate, each, 0.1) for each in gained),
            ]
            for tasks in (25, 50, 100, 400)
            for points in (1, 3, 5)
            for gate in [Gate(rule="not_worse", margin=points / 100)]
        ),
    )


def _promoted_on(tasks: int, gate: Gate, gained: float, differ: float) -> str:
    gate = Gate(rule=gate.rule, margin=gate.margin, min_tasks=1)
    return percent(promoted(Training(gained, tasks, differ), gate))


def label_table() -> str:
    """Let one label get worse, or none, and count which versions are held back."""
    head = ["labels", "tasks of each", "none fell", "none fell, 30 % differ"]
    cases = (2, 20), (2, 40), (2, 200), (8, 20), (8, 40), (20, 20), (20, 40)
    return table(
        [*head, "recall of one fell by 10 points", "20 points", "40 points"],
        (
            [
                str(labels),
                str(on),
                percent(held_back(labels, on, 0)),
                percent(held_back(labels, on, 0, differ=0.3)),
                *(percent(held_back(labels, on, fall)) for fall in (0.1, 0.2, 0.4)),
            ]
            for labels, on in cases
        ),
    )


def held_back(
    labels: int, on: int, fall: float, *, differ: float = 0.1, trainings: int = _MANY
) -> float:
    """Return how often the labels of a version are the reason to hold it back.

    Args:
        labels: How many there are, each on the same number of tasks.
        on: On how many.
        fall: By how much the recall of the first label truly fell, from 0.8.
        differ: Share of the other answers that differ.
        trainings: How many are simulated.
    """
    random = np.random.default_rng(1)
    truth = np.repeat(np.arange(labels), on)
    held = 0
    for _ in range(trainings):
        served = _answers(random, truth)
        # Answers given anew differ in being right in 32 of 100 cases.
        anew = random.random(len(truth)) < differ / 0.32
        candidate = np.where(anew, _answers(random, truth), served)
        lost = (truth == 0) & (random.random(len(truth)) < fall / _RIGHT)
        candidate = np.where(lost & (candidate == 0), labels - 1, candidate)
        changes = label_changes(
            list(scored("v1", truth, served).labels.values()),
            list(scored("v2", truth, candidate).labels.values()),
        )
        held += bool(fallen(changes, GATE.label_margin))
    return held / trainings


def _answers(random: Random, truth: NDArray[np.int64]) -> NDArray[np.int64]:
    labels = truth.max() + 1
    wrong = (truth + random.integers(1, labels, len(truth))) % labels
    return np.where(random.random(len(truth)) < _RIGHT, truth, wrong)
