"""Measures of answers without a position: choices, texts, ratings, numbers, ranks."""

from collections.abc import Hashable
from itertools import combinations
from typing import Any, Final

from rapidfuzz.distance import Indel

from lsml.dataset.measures.regions import Region, as_items, frozen
from lsml.dataset.measures.scores import Compared, label_counts
from lsml.labelstudio.reading import as_dict, as_number

_TEXT_MAX: Final = 10_000  # characters compared; a few milliseconds
_REGION_TEXT_MAX: Final = 2_000  # of each of up to 200 regions
_STARS: Final = 5  # Label Studio's default scale of a rating
_RANKED_MAX: Final = 100  # items of one ranking; the cost grows with the square


def choices(a: list[Region], b: list[Region]) -> Compared:
    """Return the share of choices (or taxonomy paths, or sides) that both have."""
    ours, theirs = _chosen(a), _chosen(b)
    all_chosen = ours | theirs
    value = len(ours & theirs) / len(all_chosen) if all_chosen else 1.0
    names = [{_name(choice) for choice in chosen} for chosen in (ours, theirs)]
    return Compared(value, label_counts(names[0] & names[1], *names))


def text(a: list[Region], b: list[Region], *, characters: int = _TEXT_MAX) -> Compared:
    """Return the similarity of two texts: 2 x common characters / all characters.

    Common are those of the longest common subsequence of the first `characters`.
    """
    ours, theirs = _text(a)[:characters], _text(b)[:characters]
    return Compared(Indel.normalized_similarity(ours, theirs))


def text_of_region(a: list[Region], b: list[Region]) -> Compared:
    """Return the similarity of the texts of two regions, of which there may be many."""
    return text(a, b, characters=_REGION_TEXT_MAX)


def rating(a: list[Region], b: list[Region]) -> Compared:
    """Return one minus the distance, relative to the scale of stars."""
    ours, theirs = _number(a, "rating"), _number(b, "rating")
    if ours is None or theirs is None:
        return Compared(0.0)
    return Compared(1 - abs(ours - theirs) / (max(_STARS, ours, theirs) - 1))


def number(a: list[Region], b: list[Region]) -> Compared:
    """Return one minus the difference, relative to the larger absolute value."""
    ours, theirs = _number(a, "number"), _number(b, "number")
    if ours is None or theirs is None:
        return Compared(0.0)
    largest = max(abs(ours), abs(theirs))
    return Compared(1 - abs(ours - theirs) / largest if largest else 1.0)


def ranking(a: list[Region], b: list[Region]) -> Compared:
    """Return the share of pairs of items that both rankings order alike.

    For two orders of the same items that is (Kendall's tau + 1) / 2. An item that only
    one ranking has is ordered like no other. With several buckets, both items must be
    in the same buckets too.
    """
    ours, theirs = _places(a), _places(b)
    items = sorted(ours.keys() | theirs.keys())
    if len(items) < 2:
        return Compared(float(ours == theirs))
    pairs = list(combinations(items, 2))
    orders = ((_order(ours, *pair), _order(theirs, *pair)) for pair in pairs)
    alike = sum(one is not None and one == other for one, other in orders)
    return Compared(alike / len(pairs))


def exact(a: list[Region], b: list[Region]) -> Compared:
    """Return 1 if both have the same values in any order, else 0."""
    ours, theirs = (
        sorted(repr(frozen(region["value"])) for region in regions)
        for regions in (a, b)
    )
    return Compared(float(ours == theirs))


def _chosen(regions: list[Region]) -> set[Hashable]:
    kinds = ("choices", "taxonomy", "selected")
    return {
        frozen(choice)
        for region in regions
        for kind in kinds
        for choice in as_items(region["value"].get(kind))
    }


def _name(choice: Hashable) -> str:
    return " › ".join(map(str, choice)) if isinstance(choice, tuple) else str(choice)


def _text(regions: list[Region]) -> str:
    texts = (
        each
        for region in regions
        for name in ("text", "ocrtext")
        for each in as_items(region["value"].get(name))
    )
    messages = (as_dict(region["value"].get("chatmessage")) for region in regions)
    said = (f"{one.get('role')}: {one.get('content')}" for one in messages if one)
    return "\n".join([*map(str, texts), *said])


def _number(regions: list[Region], name: str) -> float | None:
    return as_number(regions[0]["value"].get(name)) if regions else None


def _places(regions: list[Region]) -> dict[str, tuple[str, int]]:
    """Return the bucket and rank of each item."""
    places: dict[str, tuple[str, int]] = {}
    for region in regions[:1]:
        given: Any = region["value"].get("ranker")
        buckets = given if isinstance(given, dict) else {"": given}
        if len(buckets) == 1:  # a plain order: the name is that of the control
            buckets = {"": next(iter(buckets.values()))}
        for bucket, items in buckets.items():
            for rank, item in enumerate(as_items(items)[:_RANKED_MAX]):
                places.setdefault(str(item), (str(bucket), rank))
    return dict(list(places.items())[:_RANKED_MAX])


def _order(
    places: dict[str, tuple[str, int]], one: str, other: str
) -> tuple[str, str, bool] | None:
    if one not in places or other not in places:
        return None
    (bucket, rank), (other_bucket, other_rank) = places[one], places[other]
    return bucket, other_bucket, bucket == other_bucket and rank < other_rank
