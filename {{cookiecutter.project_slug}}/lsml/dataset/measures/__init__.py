"""How close a prediction is to an annotation, 0 to 1, control by control.

Pure functions over lists of regions in Label Studio's form, decoded from JSON. A region
of an unexpected shape counts as disagreement, unless both results have it, and never
raises, because it comes from the user's model.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from math import isnan
from statistics import fmean
from typing import Final

from lsml.dataset.measures import answers
from lsml.dataset.measures.matching import Measure, per_region, place_measure, places
from lsml.dataset.measures.regions import Region, by_control, labels_of
from lsml.dataset.measures.relations import relations, relations_in
from lsml.dataset.measures.scores import Compared, ControlScore, Counts
from lsml.dataset.measures.shapes import box_overlap
from lsml.dataset.measures.spans import exact_spans

__all__ = [
    "ControlScore",
    "Counts",
    "Region",
    "agreement",
    "box_overlap",
    "by_control",
    "by_measure",
    "compare",
    "labels_of",
]


def compare(
    prediction: Sequence[object], annotation: Sequence[object]
) -> list[ControlScore]:
    """Compare two results.

    Args:
        prediction: regions predicted by the model.
        annotation: regions of the annotation.

    Returns:
        One score for each control that either result has, by name, and one for their
        relations. docs/measures.md says what the values mean.
    """
    ours, theirs = by_control(prediction), by_control(annotation)
    scores = [
        _score(control, ours.get(control, []), theirs.get(control, []))
        for control in sorted(ours.keys() | theirs.keys())
    ]
    if relations_in(prediction) or relations_in(annotation):
        found = relations(prediction, annotation)
        scores.append(ControlScore("relations", "relations", found.value, found.labels))
    return scores


def agreement(
    prediction: Sequence[object], annotation: Sequence[object]
) -> dict[str, float]:
    """Compare two results, and return the mean over all controls by measure.

    `spans_overlap` stands beside `spans`. Empty when both results are.
    """
    return by_measure(compare(prediction, annotation))


def by_measure(scores: Iterable[ControlScore]) -> dict[str, float]:
    """Return the mean over all controls by measure, see `agreement`."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for score in scores:
        for measure, value in {score.measure: score.value, **score.also}.items():
            values[measure].append(value)
    return {name: round(fmean(each), 6) for name, each in values.items()}


def _score(control: str, a: list[Region], b: list[Region]) -> ControlScore:
    name, measure = _measure((b or a)[0])
    is_located = any(place_measure(region) for region in (*a, *b))
    if is_located and name in _PER_REGION:
        found = per_region(_PER_REGION[name], a, b)
    else:
        found = measure(a, b)
    if [region["value"] for region in a] == [region["value"] for region in b]:
        return ControlScore(
            control, name, 1.0, found.labels, dict.fromkeys(found.also, 1.0)
        )
    # A rating may lie outside its scale.
    value = min(1.0, max(0.0, found.value)) if not isnan(found.value) else 0.0
    return ControlScore(control, name, value, found.labels, found.also)


def _spans(a: list[Region], b: list[Region]) -> Compared:
    exact = exact_spans(a, b)
    return Compared(exact.value, exact.labels, {"spans_overlap": places(a, b).value})


def _measure(region: Region) -> tuple[str, Measure]:
    kind = str(region.get("type"))
    if kind == "labels":  # of text, or of shapes that a second control draws
        name = place_measure(region) or "spans"
        return (name, _spans) if name == "spans" else (name, places)
    return _MEASURES.get(kind, ("exact", answers.exact))


_MEASURES: Final[dict[str, tuple[str, Measure]]] = {
    "choices": ("choices", answers.choices),
    "taxonomy": ("choices", answers.choices),
    "pairwise": ("choices", answers.choices),
    "textarea": ("text", answers.text),
    "chatmessage": ("text", answers.text),
    "rating": ("rating", answers.rating),
    "number": ("number", answers.number),
    "ranker": ("ranking", answers.ranking),
    "hypertextlabels": ("spans", _spans),
    "paragraphlabels": ("spans", _spans),
    "timeserieslabels": ("spans", _spans),
    "timelinelabels": ("spans", _spans),
    "ocrlabels": ("text", partial(per_region, answers.text_of_region)),
    "videorectangle": ("video_boxes", places),
    **{
        kind + suffix: (name, places)
        for kind, name in {
            "rectangle": "boxes",
            "ellipse": "ellipses",
            "polygon": "polygons",
            "keypoint": "keypoints",
            "vector": "vectors",
            "brush": "masks",
            "magicwand": "masks",
            "bitmask": "masks",
        }.items()
        for suffix in ("", "labels")
    },
}
# Answers that may be asked for each region: then the value says where that region is.
_PER_REGION: Final[dict[str, Measure]] = {
    "choices": answers.choices,
    "text": answers.text_of_region,
    "rating": answers.rating,
    "number": answers.number,
}
