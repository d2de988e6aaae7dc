"""Did a label get worse? Recall and precision of two versions on the same tasks."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from lsml.dataset.figures import percent
from lsml.dataset.measures import Counts
from lsml.quality.statistics.paired import change

Labels = Mapping[str, Counts]  # "control: label" -> counts, of one task

# Fewer tasks than this tell nothing about a label.
LABEL_TASKS: Final = 10
# Of a fall of any label by chance, at most; divided by the number of comparisons. It is
# measured to be far less, because most labels differ on few tasks.
CHANCE: Final = 0.2

_NONE: Final = Counts(0, 0, 0)
_Pair = tuple[Counts, Counts]  # of one task: before, after
_Ratio = Callable[[Counts], tuple[float, float]]  # part and whole


@dataclass(frozen=True, slots=True)
class LabelChange:
    """Recall or precision of a label, before and after, on the tasks that tell it."""

    label: str
    measure: str
    tasks: int
    before: float
    after: float
    p: float  # probability of such a fall or a larger one by chance

    def __str__(self) -> str:
        name = self.label.partition(": ")[2] or self.label
        return (
            f"{self.measure} of {name} fell from {percent(self.before, self.tasks)}"
            f" to {percent(self.after, self.tasks)} on {self.tasks} tasks"
        )

    def as_json(self) -> dict[str, Any]:
        """Return all fields."""
        return asdict(self)


def label_changes(
    before: Sequence[Labels], after: Sequence[Labels]
) -> list[LabelChange]:
    """Compare all labels on enough tasks, the least likely fall first.

    Args:
        before: Of each task, what the served version predicted.
        after: The same tasks in the same order, by the candidate.
    """
    pairs: defaultdict[str, list[_Pair]] = defaultdict(list)
    for old, new in zip(before, after, strict=True):
        for label in old.keys() | new.keys():
            pairs[label].append((old.get(label, _NONE), new.get(label, _NONE)))
    changes = [
        found
        for label, each in pairs.items()
        for measure, ratio in _RATIOS.items()
        if (found := _change(label, measure, ratio, each))
    ]
    return sorted(changes, key=lambda each: (each.p, each.label, each.measure))


def fallen(changes: Sequence[LabelChange], margin: float) -> list[LabelChange]:
    """Return the ratios that fell by more than a margin, and not by chance.

    The more labels are compared, the likelier is a fall of one by chance. So the limit
    is divided by their number (Bonferroni).
    """
    return [
        each
        for each in changes
        if each.before - each.after > margin and each.p <= CHANCE / len(changes)
    ]


def _change(
    label: str, measure: str, ratio: _Ratio, pairs: Iterable[_Pair]
) -> LabelChange | None:
    both = [(ratio(old), ratio(new)) for old, new in pairs]
    told = [(old, new) for old, new in both if old[1] or new[1]]
    if len(told) < LABEL_TASKS:
        return None
    found = change([old for old, _ in told], [new for _, new in told])
    return found and LabelChange(label, measure, len(told), *found)


def _recall(counts: Counts) -> tuple[float, float]:
    return counts.both, counts.both + counts.only_annotated


def _precision(counts: Counts) -> tuple[float, float]:
    return counts.both, counts.both + counts.only_predicted


_RATIOS: Final[dict[str, _Ratio]] = {"recall": _recall, "precision": _precision}
