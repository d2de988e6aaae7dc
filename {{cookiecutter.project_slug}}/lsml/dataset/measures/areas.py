"""The area that two polygons share, exactly, for many pairs in one go."""

from collections.abc import Sequence
from math import isqrt
from typing import TYPE_CHECKING, Final

from lsml.dataset.measures.regions import Point, thinned

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Array = NDArray[float64]

_EDGE_PAIRS_MAX: Final = 1_000_000  # of one comparison; few of them share anything
_VERTICES_MIN: Final = 8
_EDGE_PAIRS_AT_ONCE: Final = 100_000

Polygon = Sequence[Point]


def polygon_ious(pairs: Sequence[tuple[Polygon, Polygon]]) -> list[float]:
    """Return the intersection over union of each pair.

    With many pairs, long polygons are thinned, so that the time is bounded.
    """
    import numpy as np  # here: web imports this module, and numpy takes 0.1 s

    limit = max(_VERTICES_MIN, isqrt(_EDGE_PAIRS_MAX // len(pairs)))
    polygons = {
        id(polygon): thinned(polygon, limit) for pair in pairs for polygon in pair
    }
    longest = max(map(len, polygons.values()))
    vertices = np.array([_padded(each, longest) for each in polygons.values()])
    number = {key: at for at, key in enumerate(polygons)}
    first, second = np.array([[number[id(each)] for each in pair] for pair in pairs]).T
    each = np.arange(len(vertices))  # its own area is what it shares with itself
    areas = _common_areas(
        vertices[np.concatenate((each, first))],
        vertices[np.concatenate((each, second))],
    )
    own, common = areas[: len(each)], abs(areas[len(each) :])
    union = own[first] + own[second] - common
    ious = np.divide(common, union, out=np.zeros_like(union), where=union > 0)
    found: list[float] = ious.clip(0, 1).tolist()
    return found


def _common_areas(a: "Array", b: "Array") -> "Array":
    """Integrate the product of the winding numbers of each pair of polygons.

    The winding number is the sum, over the edges, of the indicator of the area between
    the edge and a line below the polygon, with the sign of the edge's direction. So the
    integral is the sum over pairs of edges of the area between both and that line.

    Args:
        a: Pairs x vertices x 2.
        b: The same for the other polygon of each pair.
    """
    import numpy as np

    at_once = max(1, _EDGE_PAIRS_AT_ONCE // a.shape[1] ** 2)
    areas: list[Array] = []
    for start in range(0, len(a), at_once):
        both = np.stack((a[start : start + at_once], b[start : start + at_once]))
        both -= both.min(axis=(0, 2), keepdims=True)
        areas.append(_below_edges(_edges(both[0]), _edges(both[1])))
    return np.concatenate(areas)


def _below_edges(a: "Array", b: "Array") -> "Array":
    """Sum the signed areas below both edges, over all pairs of edges of each pair.

    Args:
        a: What `_edges` returns.
        b: The same for the other polygon of each pair.
    """
    import numpy as np

    left, right = 0, 1
    is_shared = a[left][:, :, None] < b[right][:, None, :]
    is_shared &= a[right][:, :, None] > b[left][:, None, :]
    shared = np.flatnonzero(is_shared)  # far faster than `nonzero` of three axes
    edges = a.shape[2]
    pair = shared // edges**2
    edge_a, edge_b = shared // edges, pair * edges + shared % edges
    left_a, right_a, height_a, slope_a, sign_a = a.reshape(5, -1)[:, edge_a]
    left_b, right_b, height_b, slope_b, sign_b = b.reshape(5, -1)[:, edge_b]
    left_both = np.maximum(left_a, left_b)
    width = np.minimum(right_a, right_b) - left_both
    start_a = height_a + slope_a * (left_both - left_a)
    start_b = height_b + slope_b * (left_both - left_b)
    end_a, end_b = start_a + slope_a * width, start_b + slope_b * width
    start, end = abs(start_a - start_b), abs(end_a - end_b)
    # The mean of the lower edge is the mean of both minus half their mean distance.
    total = np.maximum(start + end, 1e-300)
    crossing = (start_a > start_b) != (end_a > end_b)
    apart = np.where(crossing, (start**2 + end**2) / total, total)
    below = width * (start_a + start_b + end_a + end_b - apart) / 4
    signed = sign_a * sign_b * below
    areas: Array = np.bincount(pair, signed, minlength=a.shape[1]).astype(float)
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


def _padded(polygon: Polygon, length: int) -> list[Point]:
    return [*polygon, *[polygon[-1]] * (length - len(polygon))]
