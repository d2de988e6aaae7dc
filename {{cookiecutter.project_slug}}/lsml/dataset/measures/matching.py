"""Matches the regions of two results: each with one of the same labels, best first."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from lsml.dataset.measures import masks, points, shapes, spans, video
from lsml.dataset.measures.regions import (
    Region,
    as_items,
    aspect_of,
    frozen,
    labels_of,
)
from lsml.dataset.measures.scores import Compared, f1, label_counts, sum_counts

SAME_PLACE: Final = 0.5  # from this overlap or closeness on, two regions are the same

# By image and labels: index of the region, and its place.
_ByGroup = dict[Hashable, list[tuple[int, Any]]]
Measure = Callable[[list[Region], list[Region]], Compared]


@dataclass(frozen=True, slots=True)
class Match:
    """A region of each result, by index, and how alike their places are (0 to 1)."""

    alike: float
    ours: int
    theirs: int


@dataclass(frozen=True, slots=True)
class _Kind:
    """How places of one kind are read and compared."""

    read: Callable[[list[Region], float], list[Any]]
    compare: Callable[[list[tuple[Any, Any]]], list[float]]
    most: int  # regions of one result that are compared; the cost grows with its square


_SHAPE: Final = _Kind(shapes.read_shapes, shapes.shape_ious, 150)
_MASK: Final = _Kind(masks.read_masks, masks.mask_ious, 25)
_VECTOR: Final = _Kind(points.read_vectors, points.vector_closeness, 20)
_TRACK: Final = _Kind(video.read_tracks, video.track_ious, 30)
_SPAN: Final = _Kind(spans.read_spans, spans.span_ious, 200)
_POINT: Final = _Kind(points.read_points, points.point_closeness, 200)
# By what a value contains; the first that fits. A keypoint has a width as well.
_KINDS: Final = (
    ("rle", "masks", _MASK),
    ("imageDataURL", "masks", _MASK),
    ("sequence", "video_boxes", _TRACK),
    ("points", "polygons", _SHAPE),
    ("vertices", "vectors", _VECTOR),
    ("radiusX", "ellipses", _SHAPE),
    ("height", "boxes", _SHAPE),
    ("start", "spans", _SPAN),
    ("ranges", "spans", _SPAN),
    ("x", "keypoints", _POINT),
)


def place_measure(region: Region) -> str | None:
    """Return the measure that fits where a region is; None if it is nowhere."""
    value = region["value"]
    return next((name for key, name, _ in _KINDS if key in value), None)


def places(a: list[Region], b: list[Region]) -> Compared:
    """Return the F1 of regions, each matched pair weighted by overlap or closeness."""
    matches = match(a, b)
    same = [one for one in matches if one.alike >= SAME_PLACE]
    labels = label_counts(
        (label for one in same for label in labels_of(a[one.ours])),
        (label for region in a for label in labels_of(region)),
        (label for region in b for label in labels_of(region)),
    )
    return Compared(f1(sum(one.alike for one in matches), len(a), len(b)), labels)


def match(a: list[Region], b: list[Region]) -> list[Match]:
    """Match regions with the same labels one to one, equal ones first, then the best.

    Many regions are too many to compare each with each: the first ones of either
    result are, the others count as unmatched unless they are equal.
    """
    matches, others_a, others_b = _equal(a, b)
    aspect = aspect_of([*b, *a])
    ours, theirs = _by_kind(a, others_a), _by_kind(b, others_b)
    pairs = [
        pair for kind in ours for pair in _alike(kind, ours[kind], theirs[kind], aspect)
    ]
    # Ties in an order that stays the same when the results are exchanged.
    pairs.sort(key=lambda m: (-m.alike, min(m.ours, m.theirs), max(m.ours, m.theirs)))
    used_a, used_b = set[int](), set[int]()
    for pair in pairs:
        if pair.ours not in used_a and pair.theirs not in used_b:
            used_a.add(pair.ours)
            used_b.add(pair.theirs)
            matches.append(pair)
    return matches


def per_region(measure: Measure, a: list[Region], b: list[Region]) -> Compared:
    """Compare answers that were given for each region, such as the text in each box.

    Returns:
        The F1 of regions at the same place, each pair weighted by `measure`.
    """
    same = [one for one in match(a, b) if one.alike >= SAME_PLACE]
    compared = [measure([a[one.ours]], [b[one.theirs]]) for one in same]
    value = f1(sum(each.value for each in compared), len(a), len(b))
    ours, theirs = {one.ours for one in same}, {one.theirs for one in same}
    alone = [
        *(measure([one], []) for at, one in enumerate(a) if at not in ours),
        *(measure([], [one]) for at, one in enumerate(b) if at not in theirs),
    ]
    return Compared(value, sum_counts(each.labels for each in (*compared, *alone)))


def _equal(
    a: list[Region], b: list[Region]
) -> tuple[list[Match], list[int], list[int]]:
    """Return matches of equal regions, and the other regions of both."""
    looks = {_look(region) for region in a} & {_look(region) for region in b}
    waiting: defaultdict[Hashable, list[int]] = defaultdict(list)
    others_b = []
    for at, region in reversed(list(enumerate(b))):
        if _look(region) in looks:
            waiting[_said(region)].append(at)
        else:
            others_b.append(at)
    matches, others_a = [], []
    for at, region in enumerate(a):
        same = waiting[_said(region)] if _look(region) in looks else []
        if same:
            matches.append(Match(1.0, at, same.pop()))
        else:
            others_a.append(at)
    others_b += [at for left in waiting.values() for at in left]
    return matches, others_a, sorted(others_b)


def _look(region: Region) -> Hashable:
    """Return a part of what a region says, fast also for a polygon of many points."""
    points = as_items(region["value"].get("points"))
    return len(points), frozen(points[:1])


def _said(region: Region) -> Hashable:
    return frozen(region.get("item_index")), frozen(region["value"])


def _by_kind(
    regions: list[Region], chosen: list[int]
) -> dict[_Kind, list[tuple[int, Region]]]:
    """Return the first of the chosen regions of each kind, each with its index."""
    found: dict[_Kind, list[tuple[int, Region]]] = {kind: [] for _, _, kind in _KINDS}
    for at in chosen:
        kind = _kind(regions[at])
        if kind and len(found[kind]) < kind.most:
            found[kind].append((at, regions[at]))
    return found


def _kind(region: Region) -> _Kind | None:
    value = region["value"]
    return next((kind for key, _, kind in _KINDS if key in value), None)


def _alike(
    kind: _Kind, a: list[tuple[int, Region]], b: list[tuple[int, Region]], aspect: float
) -> Iterator[Match]:
    """Yield the pairs of regions of one kind that are of one image and alike at all."""
    if not a or not b:
        return
    read: tuple[_ByGroup, _ByGroup] = ({}, {})
    for side, regions in zip(read, (a, b), strict=True):
        found = kind.read([region for _, region in regions], aspect)
        for (at, region), place in zip(regions, found, strict=True):
            if place is not None:
                group = frozen(region.get("item_index")), labels_of(region)
                side.setdefault(group, []).append((at, place))
    pairs = [
        pair
        for group, ours in read[0].items()
        for pair in product(ours, read[1].get(group, ()))
    ]
    alike = kind.compare([(one[1], other[1]) for one, other in pairs]) if pairs else []
    for (one, other), value in zip(pairs, alike, strict=True):
        if value:
            yield Match(round(value, 9), one[0], other[0])
