"""Compares two samples of tasks, feature by feature.

Imports NumPy, so import this module inside the function that uses it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, replace
from math import isfinite
from statistics import median, quantiles
from typing import Final

from lsml.dataset.figures import percent
from lsml.quality.drift.observed import Answer, Text
from lsml.quality.statistics import divergence
from lsml.quality.statistics.divergence import Divergence

TASKS_MIN: Final = 50  # of either sample, with the feature
FEATURES_MAX: Final = 10
CONTROLS_MAX: Final = 2  # with labels
# The share of checks of a stable project in which any feature differs.
FALSE_ALARMS: Final = 0.01
NO_LABEL: Final = "none"
_ONE: Final = FALSE_ALARMS / FEATURES_MAX  # of one feature


@dataclass(frozen=True, slots=True)
class Feature:
    """How one feature of the live tasks compares with that of the reference."""

    name: str
    live: str  # what is typical now
    reference: str  # and of the reference
    live_tasks: int
    reference_tasks: int
    divergence: float  # Jensen-Shannon, in bits
    threshold: float
    stays_above: float  # a difference lasts until it is below this
    differs: bool
    sentence: str  # that it differs, and how

    def after(self, *, differed: bool) -> "Feature":
        """Return it with the verdict that takes the check before into account."""
        lasts = differed and self.divergence > self.stays_above
        return replace(self, differs=self.differs or lasts)


def lengths(
    key: str, live: Sequence[Text], reference: Sequence[Text], compared_with: str
) -> Iterator[Feature]:
    """Compare how long texts are."""
    yield from _numbers(
        f"Length of {key}",
        [text.characters for text in live],
        [text.characters for text in reference],
        compared_with,
        "{:,.0f}".format,
        "characters",
    )


def vocabularies(
    key: str, live: Sequence[Text], reference: Sequence[Text], compared_with: str
) -> Iterator[Feature]:
    """Compare which words texts have. A feature names none: they may be private."""
    ours, theirs = ([text.words for text in some] for some in (live, reference))
    if not _are_enough(ours, theirs):
        return
    texts_with = Counter(word for words in theirs for word in words)
    # Of the reference, those in no other text of it.
    new = sum(word not in texts_with for words in ours for word in words)
    usual = sum(count == 1 for count in texts_with.values())
    typical = [
        f"{_share(count, sum(map(len, some)))} of the words new"
        for count, some in ((new, ours), (usual, theirs))
    ]
    found = divergence.of_names(ours, theirs, false_alarms=_ONE)
    tasks = len(ours), len(theirs)
    yield _feature(f"Vocabulary of {key}", typical, tasks, found, compared_with)


def labels(
    name: str, live: Sequence[Answer], reference: Sequence[Answer], compared_with: str
) -> Iterator[Feature]:
    """Compare the shares of labels, of each control that has any.

    Args:
        name: Of the shares, such as "predicted labels".
        live: What was predicted or annotated lately.
        reference: The same of the reference.
        compared_with: What the reference is.
    """
    if not _are_enough(live, reference):
        return
    for control in _controls([*live, *reference]):
        ours, theirs = (_labels(control, some) for some in (live, reference))
        found = divergence.of_names(ours, theirs, false_alarms=_ONE)
        label = _changed_most(ours, theirs)
        typical = [
            f"“{label}” {_share(sum(label in names for names in some), len(some))}"
            for some in (ours, theirs)
        ]
        title = f"Share of {name} ({control})"
        tasks = len(ours), len(theirs)
        yield _feature(title, typical, tasks, found, compared_with)


def scores(
    live: Sequence[Answer], reference: Sequence[Answer], compared_with: str
) -> Iterator[Feature]:
    """Compare the scores of predictions."""
    yield from _numbers(
        "Distribution of scores",
        [answer.score for answer in live],
        [answer.score for answer in reference],
        compared_with,
        "{:.2f}".format,
    )


def sizes(
    live: Sequence[Answer], reference: Sequence[Answer], compared_with: str
) -> Iterator[Feature]:
    """Compare the sizes of images."""
    yield from _numbers(
        "Size of images",
        [answer.pixels for answer in live],
        [answer.pixels for answer in reference],
        compared_with,
        lambda pixels: f"{pixels / 1e6:,.2f}",
        "megapixels",
    )


def _numbers(
    name: str,
    live: Iterable[float | None],
    reference: Iterable[float | None],
    compared_with: str,
    write: Callable[[float], str],
    unit: str = "",
) -> Iterator[Feature]:
    """Compare numbers, of the tasks that have one."""
    ours, theirs = (
        [number for number in numbers if number is not None and isfinite(number)]
        for numbers in (live, reference)
    )
    if not _are_enough(ours, theirs):
        return
    found = divergence.of_numbers(ours, theirs, false_alarms=_ONE)
    typical = [_typical(numbers, write, unit) for numbers in (ours, theirs)]
    yield _feature(name, typical, (len(ours), len(theirs)), found, compared_with)


def _typical(numbers: list[float], write: Callable[[float], str], unit: str) -> str:
    """Return the median and the ninth decile: the same median may hide a difference."""
    highest = quantiles(numbers, n=10, method="inclusive")[-1]
    said = f"median {write(median(numbers))}, a tenth from {write(highest)}"
    return f"{said} {unit}".rstrip()


def _share(part: int, whole: int) -> str:
    return percent(part / whole, whole)


def _are_enough(live: Sized, reference: Sized) -> bool:
    return min(len(live), len(reference)) >= TASKS_MIN


def _feature(
    name: str,
    typical: Sequence[str],
    tasks: tuple[int, int],
    found: Divergence,
    compared_with: str,
) -> Feature:
    """Write down a comparison; `typical` and `tasks` are of the live ones first."""
    live, reference = typical
    return Feature(
        name,
        live,
        reference,
        *tasks,
        divergence=round(found.value, 6),
        threshold=round(found.opens, 6),
        stays_above=round(found.stays, 6),
        differs=found.value > found.opens,
        sentence=f"{name} differs from {compared_with}: {live}, before {reference}.",
    )


def _controls(answers: Iterable[Answer]) -> list[str]:
    """Return the controls that have labels, the most frequent first."""
    counts = Counter(
        control
        for answer in answers
        for control, names in answer.labels.items()
        if names
    )
    return [control for control, _ in counts.most_common(CONTROLS_MAX)]


def _labels(control: str, answers: Iterable[Answer]) -> list[frozenset[str]]:
    none = frozenset({NO_LABEL})
    return [answer.labels.get(control) or none for answer in answers]


def _changed_most(
    ours: Sequence[frozenset[str]], theirs: Sequence[frozenset[str]]
) -> str:
    now, before = (
        Counter(name for names in some for name in names) for some in (ours, theirs)
    )
    return max(
        sorted(now | before),
        key=lambda name: abs(now[name] / len(ours) - before[name] / len(theirs)),
    )
