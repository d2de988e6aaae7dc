"""What agreement to expect of predictions without annotations, from their scores."""

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from lsml.quality.statistics.calibration import Bin
from lsml.quality.statistics.intervals import Interval, with_variance

ANSWERS_MIN: Final = 10  # of a bin; what fewer agreed on says little


class Expected(NamedTuple):
    """The expected mean agreement of some predictions."""

    agreement: Interval
    predictions: int  # with a score that enough annotated ones had


def expected_agreement(
    table: Iterable[Bin], scores: Iterable[float]
) -> Expected | None:
    """Return the mean that similar scores had, with the range that it will be in.

    The range covers that the table is known from some annotations only, and that each
    prediction may turn out right or wrong.

    Args:
        table: How annotations agreed with predictions of similar scores.
        scores: Of the predictions, 0 to 1.

    Returns:
        None if no prediction has a score that enough annotated ones had.
    """
    bins = [each for each in table if each.answers >= ANSWERS_MIN]
    counts: Counter[Bin] = Counter()
    for score in scores:
        counts.update(each for each in bins if _has(each, score))
    total = counts.total()
    if not total:
        return None
    value = sum(count * each.correct for each, count in counts.items()) / total
    variance = 0.0
    for each, count in counts.items():
        share = count / total
        one = _variance(each)  # of one answer
        variance += share**2 * one / each.answers + share * one / total
    return Expected(with_variance(value, variance), total)


def _has(each: Bin, score: float) -> bool:
    return each.low <= score < each.high or score == each.high == 1


def _variance(each: Bin) -> float:
    """Return that of right and wrong; never 0, however many were right."""
    correct = (each.correct * each.answers + 1) / (each.answers + 2)
    return correct * (1 - correct)
