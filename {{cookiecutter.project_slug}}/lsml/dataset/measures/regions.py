"""Reads regions for comparison. They come from the user's model: any JSON may occur."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

from lsml.labelstudio.reading import as_number

Region = dict[str, Any]
Point = tuple[float, float]
T = TypeVar("T")
NAME_CHARS_MAX: Final = 200  # of a label or a control; a model may invent longer ones
COORDINATE_MAX: Final = 1e6  # percent, frames' boxes; keeps products of them finite


def by_control(result: Iterable[object]) -> dict[str, list[Region]]:
    """Return the regions of each control, by its name."""
    controls: defaultdict[str, list[Region]] = defaultdict(list)
    for region in result:
        if isinstance(region, dict) and isinstance(region.get("value"), dict):
            name = str(region.get("from_name"))[:NAME_CHARS_MAX]
            controls[name].append(region)
    return controls


def labels_of(region: Region) -> frozenset[str]:
    """Return the labels, kept under `labels`, `rectanglelabels` and so on."""
    return frozenset(
        str(label)[:NAME_CHARS_MAX]
        for name, labels in region["value"].items()
        if name.endswith("labels")
        for label in as_items(labels)
    )


def aspect_of(regions: Iterable[Region]) -> float:
    """Return width / height of the image, from the first region that says it; else 1.

    Positions are percentages of both sides, so angles and distances depend on it.
    """
    for region in regions:
        width = as_number(region.get("original_width"))
        height = as_number(region.get("original_height"))
        if width and height and 1e-3 <= width / height <= 1e3:
            return width / height
    return 1.0


def coordinates(value: Any, names: Iterable[str]) -> list[float] | None:
    """Return numbers of an object; None if one is missing or out of all proportion."""
    if not isinstance(value, dict):
        return None
    return as_coordinates([value.get(name) for name in names])


def as_coordinates(values: Sequence[object]) -> list[float] | None:
    """Return the values as numbers; None if one is none, or out of all proportion."""
    found = []
    for value in values:
        number = as_number(value)
        if number is None or abs(number) > COORDINATE_MAX:
            return None
        found.append(number)
    return found


def as_points(items: Iterable[object]) -> list[Point] | None:
    """Return the first two numbers of each item; None if one has none."""
    points: list[Point] = []
    for item in items:
        found = as_coordinates(as_items(item)[:2])
        if found is None or len(found) < 2:
            return None
        points.append((found[0], found[1]))
    return points


def as_items(value: object) -> list[Any]:
    """Return a list as it is, nothing as an empty one, anything else inside one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def thinned(items: Sequence[T], most: int) -> Sequence[T]:
    """Return at most `most` items, evenly spread."""
    if len(items) <= most:
        return items
    return [items[at * len(items) // most] for at in range(most)]


def frozen(value: Any) -> Any:
    """Return a JSON value in a form that is equal and hashes equally if it is."""
    if isinstance(value, dict):
        return tuple(sorted((key, frozen(item)) for key, item in value.items()))
    if isinstance(value, list):
        return tuple(frozen(item) for item in value)
    return value
