"""Reads live agreement of versions, for pages, REST and `manage.py quality`.

Only the sums by day are read, never annotations or predictions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Final, cast

from django.utils import timezone

from lsml.dataset.figures import points_interval
from lsml.dataset.live import (
    ANNOTATORS,
    CONTROLS,
    LABELS,
    NOT_SHOWN,
    OTHERS,
    OVERALL,
    SCORES,
    Sums,
    add,
)
from lsml.dataset.models import LiveAgreementDay
from lsml.quality.statistics.calibration import Bin, expected_calibration_error
from lsml.quality.statistics.intervals import (
    Interval,
    independent_difference,
    mean_of_sums,
)
from lsml.registry.errors import NothingToRollBackTo
from lsml.registry.models import INITIAL_VERSION, Project
from lsml.registry.versions import version_before

DAYS: Final = 90  # that are read, up to today
LABELS_MAX: Final = 100  # of a version, the most frequent ones
ANNOTATORS_SHOWN: Final = 100  # of a version, those with the most annotations
_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Day:
    """Agreement of the annotations of one day (UTC)."""

    day: date
    annotations: int
    agreement: float  # 0 to 1


@dataclass(frozen=True, slots=True)
class Control:
    """Agreement of one control."""

    control: str
    annotations: int
    agreement: Interval


@dataclass(frozen=True, slots=True)
class Annotator:
    """Agreement of the annotations of one person."""

    user_id: int | None  # Label Studio's; None = those beyond the limit of a day
    annotations: int
    agreement: Interval


@dataclass(frozen=True, slots=True)
class Label:
    """How often a label was predicted and annotated, as `control: label`."""

    label: str
    annotations: int  # with the label in the annotation or the prediction
    both: int
    only_predicted: int
    only_annotated: int

    @property
    def precision(self) -> float | None:
        """The share of the predicted that was annotated; None if none was predicted."""
        predicted = self.both + self.only_predicted
        return self.both / predicted if predicted else None

    @property
    def recall(self) -> float | None:
        """The share of the annotated that was predicted; None if none was annotated."""
        annotated = self.both + self.only_annotated
        return self.both / annotated if annotated else None


@dataclass(frozen=True, slots=True)
class NotShown:
    """Agreement of annotations whose annotators saw no prediction."""

    annotations: int
    agreement: Interval
    # By how much agreement with predictions that are shown is higher; None = there are
    # no such annotations.
    difference: Interval | None

    @property
    def meaning(self) -> str:
        """What the difference means, as a sentence."""
        if self.difference is None:
            return "No annotation yet whose annotator saw the prediction."
        value, low, high = self.difference
        if low > 0:
            more = points_interval(self.difference, self.annotations)
            return (
                f"Annotators agree more with predictions that they see, by {more}:"
                " suggestions influence them."
            )
        if high < 0:
            less = points_interval((-value, -high, -low), self.annotations)
            return (
                f"Annotators agree less with predictions that they see, by {less}:"
                " check whether these tasks are harder."
            )
        return (
            "An influence of suggestions cannot be told from chance: shown minus not"
            f" shown is {points_interval(self.difference, self.annotations)}."
        )


@dataclass(frozen=True, slots=True)
class LiveQuality:
    """Live agreement of a version in the last `DAYS` days.

    All but `not_shown` is about annotations whose annotators saw the prediction.
    """

    version: str
    annotations: int
    agreement: Interval | None  # None = there are no annotations
    not_shown: NotShown | None  # the same
    days: list[Day]  # those with annotations, in order
    controls: list[Control]
    annotators: list[Annotator]  # those with the most annotations first
    labels: list[Label]  # the most frequent first
    calibration: list[Bin]
    calibration_error: float | None


def served_and_former(project: Project) -> list[str]:
    """Return the served version and, if there was one, the version before it."""
    try:
        before = version_before(project)
    except NothingToRollBackTo:
        return [project.served_version]
    return [project.served_version, before.version if before else INITIAL_VERSION]


def live_quality(project: Project, versions: Sequence[str]) -> list[LiveQuality]:
    """Return the live agreement of versions, in the given order, with one query."""
    since = timezone.now().date() - timedelta(days=DAYS)
    rows = LiveAgreementDay.objects.filter(
        project=project, model_version__in=versions, day__gt=since
    ).order_by("model_version", "day")
    found = {
        version: list(days)
        for version, days in groupby(rows, key=lambda row: row.model_version)
    }
    return [_of_version(version, found.get(version, [])) for version in versions]


def _of_version(version: str, rows: Sequence[LiveAgreementDay]) -> LiveQuality:
    sums: Sums = {}
    for row in rows:
        add(sums, row.sums)
    annotations, overall = _mean(sums[OVERALL][""]) if OVERALL in sums else (0, None)
    calibration = _calibration(sums.get(SCORES, {}))
    return LiveQuality(
        version,
        annotations,
        overall,
        _not_shown(sums.get(NOT_SHOWN, {}), overall),
        [_day(row) for row in rows if OVERALL in row.sums],
        [
            Control(control, *_mean(vector))
            for control, vector in sorted(sums.get(CONTROLS, {}).items())
        ],
        _annotators(sums.get(ANNOTATORS, {})),
        _labels(sums.get(LABELS, {})),
        calibration,
        expected_calibration_error(calibration),
    )


def _mean(vector: Sequence[float]) -> tuple[int, Interval]:
    count, total, squares = vector
    return int(count), mean_of_sums(int(count), total, squares)


def _not_shown(
    vectors: Mapping[str, Sequence[float]], shown: Interval | None
) -> NotShown | None:
    if not vectors:
        return None
    annotations, agreement = _mean(vectors[""])
    return NotShown(
        annotations, agreement, shown and independent_difference(shown, agreement)
    )


def _day(row: LiveAgreementDay) -> Day:
    count, total, _ = cast("Sums", row.sums)[OVERALL][""]
    return Day(row.day, int(count), total / count)


def _annotators(vectors: Mapping[str, Sequence[float]]) -> list[Annotator]:
    people = [
        Annotator(None if name == OTHERS else int(name), *_mean(vector))
        for name, vector in sorted(vectors.items())
    ]
    people.sort(key=lambda each: -each.annotations)
    return people[:ANNOTATORS_SHOWN]


def _labels(vectors: Mapping[str, Sequence[float]]) -> list[Label]:
    labels = [Label(name, *map(int, vector)) for name, vector in vectors.items()]
    labels.sort(key=lambda each: (-each.both - each.only_annotated, each.label))
    return labels[:LABELS_MAX]


def _calibration(vectors: Mapping[str, Sequence[float]]) -> list[Bin]:
    return [
        Bin(
            int(tenth) / _BINS,
            (int(tenth) + 1) / _BINS,
            int(count),
            scores / count,
            values / count,
        )
        for tenth, (count, scores, values) in sorted(vectors.items())
    ]
