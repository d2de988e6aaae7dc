"""How close a prediction is to an annotation, 0 to 1, by type of control.

Pure functions over lists of regions in Label Studio's form. A region of an unexpected
shape counts as disagreement and never raises, because it comes from the user's model.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from math import isnan
from statistics import fmean
from typing import Any, Final

from rapidfuzz.distance import Indel

from lsml.labelstudio.reading import as_number

Region = dict[str, Any]
_Measure = Callable[[list[Region], list[Region]], float]
_TEXT_MAX: Final = 10_000  # characters compared; a few milliseconds
_REGIONS_MAX: Final = 200  # boxes of one image that are compared; 20 ms
_STARS: Final = 5  # Label Studio's default scale of a rating


def agreement(
    prediction: Sequence[object], annotation: Sequence[object]
) -> dict[str, float]:
    """Compare two results, control by control.

    Args:
        prediction: regions predicted by the model.
        annotation: regions of the annotation.

    Returns:
        Measure -> value, the mean over all controls of its type: `choices` (share of
        common choices), `spans` (F1 of exact spans with their labels), `boxes` (F1 with
        pairs weighted by overlap), `text` (similarity), `rating`, `number`, and `exact`
        (1 or 0) for every other type. Empty when both results are.
    """
    ours, theirs = by_control(prediction), by_control(annotation)
    values: defaultdict[str, list[float]] = defaultdict(list)
    for control in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(control, []), theirs.get(control, [])
        name, measure = _MEASURES.get(str((a or b)[0].get("type")), ("exact", exact))
        value = measure(a, b)
        # A rating or a box may lie outside its scale, or be NaN.
        values[name].append(min(1.0, max(0.0, value)) if not isnan(value) else 0.0)
    return {name: round(fmean(each), 6) for name, each in values.items()}


# --- Measures: each takes the regions of one control ---


def choices(a: list[Region], b: list[Region]) -> float:
    """Return the share of choices (or taxonomy paths) that both have."""
    ours, theirs = chosen(a), chosen(b)
    return len(ours & theirs) / len(ours | theirs) if ours | theirs else 1.0


def spans(a: list[Region], b: list[Region]) -> float:
    """Return the F1 of spans that have the same bounds and labels."""
    ours, theirs = {_span(region) for region in a}, {_span(region) for region in b}
    return 2 * len(ours & theirs) / (len(ours) + len(theirs)) if ours | theirs else 1.0


def boxes(a: list[Region], b: list[Region]) -> float:
    """Return the F1 of boxes, each matched pair weighted by intersection over union.

    Boxes with the same labels are matched greedily, the best overlap first. Rotation is
    ignored.
    """
    ours = [(labels_of(one), _box(one)) for one in a[:_REGIONS_MAX]]
    theirs = [(labels_of(other), _box(other)) for other in b[:_REGIONS_MAX]]
    pairs = [
        (_overlap(box, other), i, j)
        for i, (labels, box) in enumerate(ours)
        for j, (other_labels, other) in enumerate(theirs)
        if labels == other_labels
    ]
    total, used_a, used_b = 0.0, set(), set()
    for overlap, i, j in sorted(pairs, reverse=True):
        if overlap and i not in used_a and j not in used_b:
            used_a.add(i)
            used_b.add(j)
            total += overlap
    return 2 * total / (len(a) + len(b)) if a or b else 1.0


def text(a: list[Region], b: list[Region]) -> float:
    """Return the similarity of two texts: 2 x common characters / all characters.

    Common are those of the longest common subsequence.
    """
    return Indel.normalized_similarity(_text(a), _text(b))


def rating(a: list[Region], b: list[Region]) -> float:
    """Return one minus the distance, relative to the scale of stars."""
    ours, theirs = _number(a, "rating"), _number(b, "rating")
    if ours is None or theirs is None:
        return 0.0
    return 1 - abs(ours - theirs) / (max(_STARS, ours, theirs) - 1)


def number(a: list[Region], b: list[Region]) -> float:
    """Return one minus the relative difference, at least 0."""
    ours, theirs = _number(a, "number"), _number(b, "number")
    if ours is None or theirs is None:
        return 0.0
    largest = max(abs(ours), abs(theirs))
    return max(0.0, 1 - abs(ours - theirs) / largest) if largest else 1.0


def exact(a: list[Region], b: list[Region]) -> float:
    """Return 1 if both have the same values in any order, else 0."""
    return float(
        sorted(repr(_frozen(region.get("value"))) for region in a)
        == sorted(repr(_frozen(region.get("value"))) for region in b)
    )


_MEASURES: Final[dict[str, tuple[str, _Measure]]] = {
    "choices": ("choices", choices),
    "taxonomy": ("choices", choices),
    "labels": ("spans", spans),
    "hypertextlabels": ("spans", spans),
    "paragraphlabels": ("spans", spans),
    "timeserieslabels": ("spans", spans),
    "timelinelabels": ("spans", spans),
    "rectangle": ("boxes", boxes),
    "rectanglelabels": ("boxes", boxes),
    "textarea": ("text", text),
    "rating": ("rating", rating),
    "number": ("number", number),
}


# --- Reading regions ---


def by_control(result: Iterable[object]) -> dict[str, list[Region]]:
    """Return the regions of each control, by its name."""
    controls: defaultdict[str, list[Region]] = defaultdict(list)
    for region in result:
        if isinstance(region, dict) and isinstance(region.get("value"), dict):
            controls[str(region.get("from_name"))].append(region)
    return controls


def chosen(regions: list[Region]) -> set[Hashable]:
    """Return the choices, and the paths of a taxonomy as tuples."""
    kinds = ("choices", "taxonomy")
    return {
        _frozen(choice)
        for region in regions
        for kind in kinds
        for choice in _as_list(region["value"].get(kind))
    }


def _span(region: Region) -> Hashable:
    bounds = ("start", "end", "startOffset", "endOffset", "ranges", "channel")
    value = region["value"]
    return (*(_frozen(value.get(name)) for name in bounds), labels_of(region))


def labels_of(region: Region) -> frozenset[str]:
    """Return the labels, kept under `labels`, `rectanglelabels` and so on."""
    return frozenset(
        str(label)
        for name, labels in region["value"].items()
        if name.endswith("labels")
        for label in _as_list(labels)
    )


def box_overlap(one: Region, other: Region) -> float:
    """Return the intersection over union of two boxes, 0 to 1. Ignores rotation."""
    return _overlap(_box(one), _box(other))


_Box = tuple[float, float, float, float]  # left, top, right, bottom


def _overlap(a: _Box | None, b: _Box | None) -> float:
    if a is None or b is None:
        return 0.0
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    union = _area(a) + _area(b) - common
    return common / union if union > 0 else 0.0  # tiny areas become 0


def _box(region: Region) -> _Box | None:
    x, y, width, height = (
        as_number(region["value"].get(name)) for name in ("x", "y", "width", "height")
    )
    if x is None or y is None or width is None or height is None:
        return None
    return x, y, x + width, y + height


def _area(box: _Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _text(regions: list[Region]) -> str:
    texts = (_as_list(region["value"].get("text")) for region in regions)
    return "\n".join(str(each) for one in texts for each in one)[:_TEXT_MAX]


def _number(regions: list[Region], name: str) -> float | None:
    return as_number(regions[0]["value"].get(name)) if regions else None


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(sorted((key, _frozen(item)) for key, item in value.items()))
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return value
