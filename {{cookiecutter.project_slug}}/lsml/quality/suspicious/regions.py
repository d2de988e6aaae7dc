"""Compares predicted spans or boxes with annotated ones.

Only what the model predicts can contradict an annotation: a region that it does not
predict has no score that would say how improbable the model finds it.
"""

from collections.abc import Callable, Iterator
from typing import Final

from lsml.dataset.figures import percent
from lsml.dataset.measures import Region, box_overlap, labels_of
from lsml.quality.suspicious.doubts import Doubt, score_of

Overlap = Callable[[Region, Region], float]
_REGIONS_MAX: Final = 500  # of one control; the cost grows with the square
_CONFIDENT: Final = 0.95  # cleanlab's threshold for overlooked and swapped boxes
_SAME_PLACE: Final = 0.5  # intersection over union
_TEXT_MAX: Final = 40


def worst_region(
    predicted: list[Region],
    annotated: list[Region],
    *,
    overlap: Overlap,
    score: float | None,
) -> Doubt | None:
    """Return the strongest contradiction, or None if no region has a score.

    Args:
        predicted: Regions of one control.
        annotated: Regions of the same control.
        overlap: Intersection over union of two regions.
        score: Of the prediction, for regions without a score of their own.
    """
    doubts = _doubts(predicted[:_REGIONS_MAX], annotated[:_REGIONS_MAX], overlap, score)
    return min(doubts, key=lambda doubt: doubt.quality, default=None)


def span_overlap(one: Region, other: Region) -> float:
    """Return the intersection over union of two spans of a text, 0 to 1."""
    a, b = _bounds(one), _bounds(other)
    if a is None or b is None:
        return 0.0
    common = min(a[1], b[1]) - max(a[0], b[0])
    return common / (max(a[1], b[1]) - min(a[0], b[0])) if common > 0 else 0.0


def _doubts(
    predicted: list[Region],
    annotated: list[Region],
    overlap: Overlap,
    default: float | None,
) -> Iterator[Doubt]:
    for region in predicted:
        score = score_of(region, default)
        if score is not None:
            yield _doubt(region, score, annotated, overlap)


def _doubt(
    region: Region, score: float, others: list[Region], overlap: Overlap
) -> Doubt:
    labels = labels_of(region)
    places = [(overlap(region, other), labels_of(other)) for other in others]
    same = max((place for place, names in places if names == labels), default=0.0)
    differing = [(place, _words(names)) for place, names in places if names != labels]
    other, its_label = max(differing, default=(0.0, ""))
    says = f"says {_words(labels)} ({score:.2f}){_quoted(region)}"
    if same and same >= other:
        annotated, against = _words(labels), score * (1 - same)
        says += f", which overlaps it by {percent(same)}"
    else:
        annotated, against = its_label if other >= _SAME_PLACE else "", score
    return Doubt(1 - against, against >= _CONFIDENT, annotated, says)


def _bounds(region: Region) -> tuple[float, float] | None:
    start, end = region["value"].get("start"), region["value"].get("end")
    if isinstance(start, int | float) and isinstance(end, int | float):
        return start, end
    return None


def _words(labels: frozenset[str]) -> str:
    return ", ".join(sorted(labels))


def _quoted(region: Region) -> str:
    text = region["value"].get("text")
    if not isinstance(text, str) or not text:
        return ""
    return f" of “{text[:_TEXT_MAX]}{'…' if len(text) > _TEXT_MAX else ''}”"


OVERLAPS: Final[dict[str, Overlap]] = {
    "labels": span_overlap,
    "rectanglelabels": box_overlap,
}
