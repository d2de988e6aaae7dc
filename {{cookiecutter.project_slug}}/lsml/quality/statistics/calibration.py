"""Does a score of 0.8 mean that eight of ten answers are right?"""

from collections.abc import Iterable
from typing import NamedTuple


class Bin(NamedTuple):
    """Answers with similar scores; a row of the reliability table."""

    low: float
    high: float
    answers: int
    score: float  # mean
    correct: float  # share; or mean agreement


def reliability(answers: Iterable[tuple[float, float]], bins: int = 10) -> list[Bin]:
    """Return the bins that have answers, by rising score.

    Args:
        answers: The score of each, 0 to 1, and whether it was right; or its agreement
            with the annotation.
        bins: How many, of equal width.
    """
    groups: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for score, correct in answers:
        groups[min(int(score * bins), bins - 1)].append((score, correct))
    return [
        Bin(
            n / bins,
            (n + 1) / bins,
            len(group),
            sum(score for score, _ in group) / len(group),
            sum(correct for _, correct in group) / len(group),
        )
        for n, group in enumerate(groups)
        if group
    ]


def expected_calibration_error(table: Iterable[Bin]) -> float | None:
    """Return how far scores are from the truth on average; None without answers."""
    rows = list(table)
    total = sum(row.answers for row in rows)
    if not total:
        return None
    return sum(row.answers * abs(row.score - row.correct) for row in rows) / total
