"""What a comparison says: a value, counts per label, and further values."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lsml.dataset.measures.regions import NAME_CHARS_MAX


class Counts(NamedTuple):
    """How often a label was predicted and annotated in one task."""

    both: int
    only_predicted: int
    only_annotated: int


@dataclass(frozen=True, slots=True)
class ControlScore:
    """How close the prediction of one control is to its annotation."""

    control: str  # from_name; "relations" for the relations of a result
    measure: str  # choices, spans, boxes, …
    value: float  # 0 to 1
    labels: dict[str, Counts]  # empty for controls without labels
    # Further measures of the same control, such as spans_overlap.
    also: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Compared:
    """The result of one measure."""

    value: float
    labels: dict[str, Counts] = field(default_factory=dict)
    also: dict[str, float] = field(default_factory=dict)


def f1(common: float, ours: int, theirs: int) -> float:
    """Return the F1 of `common` items that two lists share; 1 if both are empty."""
    return 2 * common / (ours + theirs) if ours or theirs else 1.0


def label_counts(
    both: Iterable[str], predicted: Iterable[str], annotated: Iterable[str]
) -> dict[str, Counts]:
    """Count labels: of what is in both, of all predicted and of all annotated."""
    common, ours, theirs = (
        Counter(label[:NAME_CHARS_MAX] for label in labels)
        for labels in (both, predicted, annotated)
    )
    return {
        label: Counts(
            common[label], ours[label] - common[label], theirs[label] - common[label]
        )
        for label in sorted(ours.keys() | theirs.keys())
    }


def sum_counts(parts: Iterable[Mapping[str, Counts]]) -> dict[str, Counts]:
    """Add up counts, label by label."""
    totals: dict[str, Counts] = {}
    for part in parts:
        for label, counts in part.items():
            before = totals.get(label, Counts(0, 0, 0))
            totals[label] = Counts(*map(sum, zip(before, counts, strict=True)))
    return totals
