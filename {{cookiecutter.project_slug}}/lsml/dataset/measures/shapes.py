"""Boxes, ellipses and polygons: intersection over union of their areas.

Upright boxes are compared exactly, in plain Python. Anything else is a polygon, an
ellipse one of 32 vertices, and compared exactly as such, many pairs in one go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import cos, pi, radians, sin, sqrt
from typing import TYPE_CHECKING, Any, Final

from lsml.dataset.measures.areas import polygon_ious
from lsml.dataset.measures.regions import (
    COORDINATE_MAX,
    Point,
    Region,
    as_items,
    as_points,
    coordinates,
    thinned,
)

if TYPE_CHECKING:
    from lsml.dataset.measures.areas import Array

_ELLIPSE_VERTICES: Final = 32  # error of the overlap below 0.003
_CORNERS_MIN: Final = 3
_VERTICES_MAX: Final = 10_000  # of all polygons of a result; more are thinned evenly
_VERTICES_MIN: Final = 8  # of each polygon, even so

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Shape:
    """An area of an image, in percent of its sides."""

    bounds: Box
    vertices: "Array | None" = None  # None: the shape is the upright box `bounds`


def read_shapes(regions: Sequence[Region], aspect: float) -> list[Shape | None]:
    """Return the shape of each region; None if it has none.

    Args:
        regions: Rectangles, ellipses and polygons.
        aspect: Width / height of the image. Rotation is in pixels, positions are not.
    """
    values = [region["value"] for region in regions]
    points = [as_items(value["points"]) for value in values if "points" in value]
    most = sum(map(len, points))
    if most > _VERTICES_MAX:
        most = max(_VERTICES_MIN, _VERTICES_MAX // len(values))
    polygons = iter(_polygons([thinned(each, most) for each in points]))
    return [
        next(polygons) if "points" in value else _read(value, aspect)
        for value in values
    ]


def box_overlap(one: Region, other: Region) -> float:
    """Return the intersection over union of two boxes, 0 to 1. Ignores rotation."""
    a, b = _upright(one["value"]), _upright(other["value"])
    return box_iou(a, b) if a and b else 0.0


def box_iou(a: Box, b: Box) -> float:
    """Return the intersection over union of two upright boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    union = _area(a) + _area(b) - common
    return common / union if union > 0 else 0.0  # tiny areas become 0


def shape_ious(pairs: Sequence[tuple[Shape, Shape]]) -> list[float]:
    """Return the intersection over union of each pair.

    A polygon that crosses itself counts as often as it winds around a place, with the
    sign of the direction; without crossings this is its area.
    """
    ious = [0.0] * len(pairs)
    others = []
    for at, (a, b) in enumerate(pairs):
        if a.vertices is None and b.vertices is None:
            ious[at] = box_iou(a.bounds, b.bounds)
        elif box_iou(a.bounds, b.bounds):
            others.append(at)
    if others:
        outlines = [(_outline(pairs[at][0]), _outline(pairs[at][1])) for at in others]
        found = polygon_ious(outlines)
        for at, iou in zip(others, found, strict=True):
            ious[at] = iou
    return ious


# --- Reading ---


def _polygons(polygons: Sequence[Sequence[object]]) -> list[Shape | None]:
    """Read polygons: all in one go, because they have many vertices, or one by one."""
    if not polygons:
        return []
    import numpy as np  # here: web imports this module, and numpy takes 0.1 s

    lengths = np.array([len(polygon) for polygon in polygons], int)
    vertices = _usual(list(chain.from_iterable(polygons)))
    if vertices is None or lengths.min() < _CORNERS_MIN:
        return [_polygon(polygon) for polygon in polygons]
    ends = np.cumsum(lengths)
    starts = ends - lengths
    low = np.minimum.reduceat(vertices, starts).tolist()
    high = np.maximum.reduceat(vertices, starts).tolist()
    return [
        Shape((left, top, right, bottom), vertices[start:end])
        for start, end, (left, top), (right, bottom) in zip(
            starts, ends, low, high, strict=True
        )
    ]


def _usual(points: Sequence[Any]) -> "Array | None":
    """Return the points as an array; None if one is not a list of two numbers."""
    import numpy as np

    if {*map(type, points)} != {list} or {*map(len, points)} != {2}:
        return None
    numbers = list(chain.from_iterable(points))
    if not {*map(type, numbers)} <= {float, int}:
        return None
    try:
        found = np.array(numbers, float).reshape(-1, 2)
    except OverflowError:
        return None
    return found if (abs(found) <= COORDINATE_MAX).all() else None


def _read(value: dict[str, Any], aspect: float) -> Shape | None:
    if "radiusX" in value:
        return _ellipse(value, aspect)
    box = _upright(value)
    angle = _angle(value)
    if box is None or not angle:
        return Shape(box) if box else None
    left, top, right, bottom = box
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return _bounded(_turned(corners, (left, top), angle, aspect))


def _upright(value: dict[str, Any]) -> Box | None:
    found = coordinates(value, ("x", "y", "width", "height"))
    if found is None:
        return None
    x, y, width, height = found
    return x, y, x + width, y + height


def _ellipse(value: dict[str, Any], aspect: float) -> Shape | None:
    found = coordinates(value, ("x", "y", "radiusX", "radiusY"))
    if found is None:
        return None
    x, y, wide, high = found
    step = 2 * pi / _ELLIPSE_VERTICES
    same_area = sqrt(step / sin(step))
    points = [
        (
            x + same_area * wide * cos(at * step),
            y + same_area * high * sin(at * step),
        )
        for at in range(_ELLIPSE_VERTICES)
    ]
    return _bounded(_turned(points, (x, y), _angle(value), aspect))


def _polygon(items: Sequence[object]) -> Shape | None:
    points = as_points(items)
    return _bounded(points) if points and len(points) >= _CORNERS_MIN else None


def _bounded(points: list[Point]) -> Shape:
    import numpy as np

    x, y = [point[0] for point in points], [point[1] for point in points]
    return Shape((min(x), min(y), max(x), max(y)), np.array(points))


def _angle(value: dict[str, Any]) -> float:
    found = coordinates(value, ("rotation",))
    return found[0] % 360 if found else 0.0


def _turned(
    points: list[Point], around: Point, angle: float, aspect: float
) -> list[Point]:
    """Turn points clockwise, in pixels, around a point."""
    across, down = cos(radians(angle)), sin(radians(angle))
    x, y = around
    return [
        (
            x + ((px - x) * aspect * across - (py - y) * down) / aspect,
            y + (px - x) * aspect * down + (py - y) * across,
        )
        for px, py in points
    ]


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _outline(shape: Shape) -> "Array":
    import numpy as np

    if shape.vertices is not None:
        return shape.vertices
    left, top, right, bottom = shape.bounds
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
