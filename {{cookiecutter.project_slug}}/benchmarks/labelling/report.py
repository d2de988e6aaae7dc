"""What the curves say: the labels that each strategy needs for the same accuracy."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise
from statistics import mean

Curve = list[tuple[int, float]]  # labels and accuracy, after each training

RANDOM = "random"
PARTS = (0.5, 0.75, 1)  # of the budget: what random reaches there is to be reached


@dataclass(frozen=True, slots=True)
class Result:
    """All curves of a data set: by strategy, one for each seed."""

    name: str
    curves: dict[str, list[Curve]]


def average(curves: Sequence[Curve]) -> Curve:
    """Return the mean accuracy after each training."""
    return [
        (steps[0][0], mean(accuracy for _, accuracy in steps))
        for steps in zip(*curves, strict=True)
    ]


def accuracy_at(curve: Curve, labels: float) -> float:
    """Return the accuracy with this many labels, on the line between the trainings."""
    for (before, low), (after, high) in pairwise(curve):
        if before <= labels <= after:
            return low + (high - low) * (labels - before) / (after - before)
    raise ValueError(f"{labels} labels are outside the curve")


def labels_needed(curve: Curve, accuracy: float) -> float | None:
    """Return the labels with which the curve first reaches an accuracy, if it does."""
    if curve[0][1] >= accuracy:
        return curve[0][0]
    for (before, low), (after, high) in pairwise(curve):
        if high >= accuracy:
            return before + (after - before) * (accuracy - low) / (high - low)
    return None


def table(results: Iterable[Result]) -> str:
    """Return Markdown: how many labels reach what random reaches."""
    rows = [row for result in results for row in _rows(result)]
    return "\n".join(
        (
            "| data set | accuracy | random | uncertainty | diverse |",
            "|---|---|---|---|---|",
            *rows,
        )
    )


def _rows(result: Result) -> Iterable[str]:
    means = {name: average(curves) for name, curves in result.curves.items()}
    budget = means[RANDOM][-1][0]
    for part in PARTS:
        accuracy = accuracy_at(means[RANDOM], part * budget)
        base = labels_needed(means[RANDOM], accuracy)
        cells = [
            _cell(labels_needed(means[name], accuracy), base, curves, accuracy)
            for name, curves in result.curves.items()
        ]
        yield f"| {result.name} | {accuracy:.1%} | {' | '.join(cells)} |"


def _cell(
    needed: float | None, base: float, curves: list[Curve], accuracy: float
) -> str:
    """Write what the mean curve needs, in parentheses the range over the seeds."""
    each = [labels_needed(curve, accuracy) or math.inf for curve in curves]
    budget = curves[0][-1][0]
    fewest, most = (_labels(labels, budget) for labels in (min(each), max(each)))
    if needed is None:
        return f"over {budget} ({fewest}–{most})"
    return f"{needed:.0f} ({fewest}–{most}), **{needed / base:.0%}**"


def _labels(needed: float, budget: int) -> str:
    return f"over {budget}" if math.isinf(needed) else f"{needed:.0f}"


def as_csv(results: Iterable[Result]) -> str:
    """Return every point of every curve."""
    lines = StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(("data set", "strategy", "seed", "labels", "accuracy"))
    writer.writerows(
        (result.name, strategy, seed, labels, f"{accuracy:.4f}")
        for result in results
        for strategy, curves in result.curves.items()
        for seed, curve in enumerate(curves, 1)
        for labels, accuracy in curve
    )
    return lines.getvalue()
