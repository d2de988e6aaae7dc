"""Keypoints and vectors: distances between points, relative to the image's diagonal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import hypot, isqrt
from typing import Final

from lsml.dataset.measures.regions import Region, as_items, coordinates, thinned

_FAR: Final = 0.05  # of the diagonal: from this distance on, points are not alike
_VERTICES_MAX: Final = 500
_VERTEX_PAIRS_MAX: Final = 300_000  # of one comparison
_VERTICES_MIN: Final = 8

Point = tuple[float, float]  # in diagonals of the image


@dataclass(frozen=True, slots=True)
class Vector:
    """The vertices of a vector. How they are connected is not compared."""

    vertices: Sequence[Point]


def read_points(regions: Iterable[Region], aspect: float) -> list[Point | None]:
    """Return the position of each keypoint.

    Args:
        regions: Keypoints.
        aspect: Width / height of the image.
    """
    return [_read(region["value"], aspect) for region in regions]


def read_vectors(regions: Iterable[Region], aspect: float) -> list[Vector | None]:
    """Return the vertices of each vector."""
    found = []
    for region in regions:
        given = thinned(as_items(region["value"].get("vertices")), _VERTICES_MAX)
        read = [_read(vertex, aspect) for vertex in given]
        vertices = [point for point in read if point]
        complete = vertices and len(vertices) == len(given)
        found.append(Vector(vertices) if complete else None)
    return found


def point_closeness(pairs: Iterable[tuple[Point, Point]]) -> list[float]:
    """Return 1 for the same place, falling evenly to 0 at `_FAR`."""
    return [max(0.0, 1 - hypot(a[0] - b[0], a[1] - b[1]) / _FAR) for a, b in pairs]


def vector_closeness(pairs: Sequence[tuple[Vector, Vector]]) -> list[float]:
    """Return the mean closeness of all vertices of both to the other's nearest one."""
    import numpy as np  # here: web imports this module, and numpy takes 0.1 s

    limit = max(_VERTICES_MIN, isqrt(_VERTEX_PAIRS_MAX // max(1, len(pairs))))
    found = []
    for pair in pairs:
        a, b = (np.array(thinned(one.vertices, limit)) for one in pair)
        apart = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))
        nearest = np.concatenate((apart.min(axis=0), apart.min(axis=1)))
        found.append(float((1 - nearest / _FAR).clip(0).mean()))
    return found


def _read(value: object, aspect: float) -> Point | None:
    found = coordinates(value, ("x", "y"))
    if found is None:
        return None
    diagonal = 100 * hypot(aspect, 1)
    return found[0] * aspect / diagonal, found[1] / diagonal
