"""How often the range of the expected agreement contains what annotations then say."""

import numpy as np

from benchmarks.quality.tables import percent, table
from lsml.quality.statistics.calibration import reliability
from lsml.quality.statistics.expected import expected_agreement

_TIMES = 400
Random = np.random.Generator


def _scores(random: Random, count: int) -> list[float]:
    found: list[float] = random.beta(6, 2, count).tolist()
    return found


def _agree(random: Random, scores: list[float], surer: float) -> list[float]:
    """Return who agrees: scores are too high by `surer`, and not by drift."""
    return [
        float(random.random() < min(1.0, max(0.0, score - surer))) for score in scores
    ]


def coverage(annotated: int, predicted: int, *, drop: float = 0.0) -> float:
    """Return how often the mean agreement of the predictions is in the range.

    Args:
        annotated: Predictions with an annotation.
        predicted: Predictions whose agreement is expected.
        drop: By how much their agreement is below that of annotated ones with the same
            score.
    """
    random = np.random.default_rng(6)
    inside = 0
    for _ in range(_TIMES):
        known = _scores(random, annotated)
        agreed = _agree(random, known, 0.1)
        scores = _scores(random, predicted)
        found = expected_agreement(reliability(zip(known, agreed, strict=True)), scores)
        truth = np.mean(_agree(random, scores, 0.1 + drop))
        inside += (
            found is not None and found.agreement.low <= truth <= found.agreement.high
        )
    return inside / _TIMES


def coverage_table() -> str:
    """Show the coverage while scores mean what they meant, and if they do not."""
    rows = (
        [
            f"{annotated:,}",
            str(predicted),
            percent(coverage(annotated, predicted), 1),
            percent(coverage(annotated, predicted, drop=0.1), 1),
        ]
        for annotated, predicted in (
            (100, 100),
            (100, 500),
            (500, 100),
            (500, 500),
            (2000, 500),
        )
    )
    return table(
        ["annotations", "predictions", "in the range", "10 points worse, same scores"],
        rows,
    )
