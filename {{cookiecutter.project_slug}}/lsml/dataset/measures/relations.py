"""Relations between regions: F1 over what they connect, in which direction, and how."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from lsml.dataset.measures.matching import SAME_PLACE, match
from lsml.dataset.measures.regions import Region, as_items, by_control
from lsml.dataset.measures.scores import Compared, f1, label_counts

_Relation = tuple[str, str, str, frozenset[str]]  # start, end, direction, labels


def relations_in(result: Iterable[object]) -> list[Region]:
    """Return the relations of a result, which belong to no control."""
    return [
        region
        for region in result
        if isinstance(region, dict)
        and isinstance(region.get("from_id"), str)
        and isinstance(region.get("to_id"), str)
    ]


def relations(prediction: Sequence[object], annotation: Sequence[object]) -> Compared:
    """Return the F1 of relations with the same ends, direction and labels.

    IDs differ between results. So two ends are the same if their regions are matched:
    the same labels, and overlapping by at least half.
    """
    ends_a, ends_b = _ends(by_control(prediction), by_control(annotation))
    ours = Counter(_read(one, ends_a) for one in relations_in(prediction))
    theirs = Counter(_read(one, ends_b) for one in relations_in(annotation))
    common = ours & theirs
    labels = label_counts(*map(_labels, (common, ours, theirs)))
    return Compared(f1(common.total(), ours.total(), theirs.total()), labels)


def _ends(
    ours: Mapping[str, list[Region]], theirs: Mapping[str, list[Region]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return, for the IDs of each result, a name: the same for regions that match."""
    ends_a: dict[str, str] = {}
    ends_b: dict[str, str] = {}
    for control in sorted(ours.keys() & theirs.keys()):
        a, b = ours[control], theirs[control]
        for one in match(a, b):
            id_a, id_b = str(a[one.ours].get("id")), str(b[one.theirs].get("id"))
            is_new = id_a not in ends_a and id_b not in ends_b
            if is_new and one.alike >= SAME_PLACE:
                ends_a[id_a] = ends_b[id_b] = f"match {len(ends_a)}"
    for ends, controls, result in (
        (ends_a, ours, "predicted"),
        (ends_b, theirs, "annotated"),
    ):
        for region in chain(*controls.values()):
            identity = str(region.get("id"))
            ends.setdefault(identity, f"{result} {identity}")
    return ends_a, ends_b


def _read(relation: Region, ends: dict[str, str]) -> _Relation:
    start, end = (
        ends.get(each, f"no region {each}")
        for each in (relation["from_id"], relation["to_id"])
    )
    direction = str(relation.get("direction") or "right")
    if direction == "left":
        start, end, direction = end, start, "right"
    elif direction == "bi":
        start, end = sorted((start, end))
    labels = frozenset(str(label) for label in as_items(relation.get("labels")))
    return start, end, direction, labels


def _labels(found: "Counter[_Relation]") -> Iterator[str]:
    return (label for relation in found.elements() for label in relation[3])
