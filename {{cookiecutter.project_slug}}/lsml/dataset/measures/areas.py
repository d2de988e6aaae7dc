"""The area that two polygons share, exactly, for many pairs in one go."""

from collections.abc import Sequence
from math import isqrt
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from numpy import bool_, float64, int64
    from numpy.typing import NDArray

    Array = NDArray[float64]
    Numbers = NDArray[int64]

_EDGE_PAIRS_MAX: Final = 1_000_000  # of one comparison; few of them share anything
_VERTICES_MIN: Final = 8
_EDGE_PAIRS_AT_ONCE: Final = 20_000  # larger arrays are slower to get


def polygon_ious(pairs: "Sequence[tuple[Array, Array]]") -> list[float]:
    """Return the intersection over union of each pair of polygons, vertices x 2.

    With many pairs, long polygons are thinned, so that the time is bounded.
    """
    import numpy as np  # here: web imports this module, and numpy takes 0.1 s

    limit = max(_VERTICES_MIN, isqrt(_EDGE_PAIRS_MAX // len(pairs)))
    polygons = {id(polygon): polygon for pair in pairs for polygon in pair}
    number = {key: at for at, key in enumerate(polygons)}
    first, second = np.array([[number[id(each)] for each in pair] for pair in pairs]).T
    vertices = _stacked([_thinned(polygon, limit) for polygon in polygons.values()])
    own, is_certain = _areas(vertices)
    others = np.flatnonzero(~is_certain)
    areas = _common_areas(
        vertices,
        np.concatenate((others, first)),  # what a polygon shares with itself
        np.concatenate((others, second)),
    )
    own[others], common = areas[: len(others)], abs(areas[len(others) :])
    union = own[first] + own[second] - common
    ious = np.divide(common, union, out=np.zeros_like(union), where=union > 0)
    found: list[float] = ious.clip(0, 1).tolist()
    return found


def _thinned(polygon: "Array", most: int) -> "Array":
    import numpy as np

    if len(polygon) <= most:
        return polygon
    kept: Array = polygon[np.arange(most) * len(polygon) // most]
    return kept


def _stacked(polygons: "Sequence[Array]") -> "Array":
    """Return polygons x vertices x 2; shorter polygons repeat their last vertex."""
    import numpy as np

    lengths = np.array([len(each) for each in polygons])
    last = np.cumsum(lengths) - 1
    at = (last - lengths + 1)[:, None] + np.arange(lengths.max())
    stacked: Array = np.concatenate(polygons)[np.minimum(at, last[:, None])]
    return stacked


def _areas(polygons: "Array") -> "tuple[Array, NDArray[bool_]]":
    """Return the areas of polygons, and where that is certain.

    It is if a polygon goes round the mean of its vertices once, in one direction, as
    most shapes do: then it does not cross itself.
    """
    import numpy as np

    x, y = np.moveaxis(polygons - polygons.mean(axis=1, keepdims=True), 2, 0)
    next_x, next_y = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    turns = x * next_y - next_x * y
    one_way = (turns >= 0).all(axis=1) | (turns <= 0).all(axis=1)
    rounds = np.count_nonzero((y < 0) & (next_y >= 0), axis=1)
    has_middle = ((x == 0) & (y == 0)).any(axis=1)  # which has no direction
    is_certain = one_way & (rounds == 1) & ~has_middle
    areas: Array = abs(turns.sum(axis=1)) / 2
    return areas, is_certain


def _common_areas(polygons: "Array", first: "Numbers", second: "Numbers") -> "Array":
    """Integrate the product of the winding numbers of each pair of polygons.

    The winding number is the sum, over the edges, of the indicator of the area between
    the edge and a line below the polygon, with the sign of the edge's direction. So the
    integral is the sum over pairs of edges of the area between both and that line.

    Args:
        polygons: Polygons x vertices x 2.
        first: Of each pair, the number of one polygon.
        second: Of each pair, the number of the other.
    """
    import numpy as np

    edges = _edges(polygons - polygons.min(axis=(0, 1)))
    at_once = max(1, _EDGE_PAIRS_AT_ONCE // polygons.shape[1] ** 2)
    areas = [
        _below_edges(edges, first[start:][:at_once], second[start:][:at_once])
        for start in range(0, len(first), at_once)
    ]
    return np.concatenate(areas)


def _below_edges(edges: "Array", first: "Numbers", second: "Numbers") -> "Array":
    """Sum the signed areas below both edges, over all pairs of edges of each pair.

    Args:
        edges: What `_edges` returns.
        first: Of each pair, the number of one polygon.
        second: Of each pair, the number of the other.
    """
    import numpy as np

    left, right = edges[0], edges[1]
    is_shared = left[first][:, :, None] < right[second][:, None, :]
    is_shared &= right[first][:, :, None] > left[second][:, None, :]
    shared = np.flatnonzero(is_shared)  # far faster than `nonzero` of three axes
    count = edges.shape[2]
    row = shared // count  # of all edges of the first polygons
    pair = np.arange(len(first)).repeat(count)[row]
    edge_a = (first[:, None] * count + np.arange(count)).ravel()[row]
    edge_b = (second * count)[pair] + shared - row * count
    flat = edges.reshape(5, -1)
    left_a, right_a, height_a, slope_a, sign_a = flat.take(edge_a, axis=1)
    left_b, right_b, height_b, slope_b, sign_b = flat.take(edge_b, axis=1)
    left_both = np.maximum(left_a, left_b)
    width = np.minimum(right_a, right_b) - left_both
    start_a = height_a + slope_a * (left_both - left_a)
    start_b = height_b + slope_b * (left_both - left_b)
    end_a, end_b = start_a + slope_a * width, start_b + slope_b * width
    start, end = start_a - start_b, end_a - end_b
    # The mean of the lower edge is the mean of both minus half their mean distance.
    apart = abs(start) + abs(end)
    crossing = np.flatnonzero(start * end < 0)
    apart[crossing] = (start[crossing] ** 2 + end[crossing] ** 2) / apart[crossing]
    below = width * (start_a + start_b + end_a + end_b - apart) / 4
    signed = sign_a * sign_b * below
    areas: Array = np.bincount(pair, signed, minlength=len(first)).astype(float)
    return areas


def _edges(polygons: "Array") -> "Array":
    """Return left, right, height at the left, slope and direction of each edge."""
    import numpy as np

    start, end = polygons, np.roll(polygons, -1, axis=1)
    forward = start[..., 0] <= end[..., 0]
    first = np.where(forward[..., None], start, end)
    last = np.where(forward[..., None], end, start)
    width, rise = (last - first)[..., 0], (last - first)[..., 1]
    slope = np.divide(rise, width, out=np.zeros_like(rise), where=width > 1e-12)
    sign = np.where(forward, 1.0, -1.0)
    return np.stack((first[..., 0], last[..., 0], first[..., 1], slope, sign))
