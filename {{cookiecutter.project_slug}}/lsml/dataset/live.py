"""Agreement of annotations with predictions, added up by version and day.

Annotations of those who saw the prediction, and of those who saw none, stand apart.

`sums` are groups of named vectors: of the whole answer, of each control, of each
annotator, of each tenth of the score, of each label. A vector begins with a count of
annotations, so what is added can be subtracted again, and what counts nothing any more
is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from statistics import fmean
from typing import Final

from lsml.audit.models import Prediction
from lsml.dataset.measures import ControlScore
from lsml.dataset.models import LiveAgreement, LiveAgreementDay
from lsml.registry.models import Project

Sums = dict[str, dict[str, list[float]]]
_Key = tuple[str, date]  # version, day

OVERALL: Final = "overall"  # {"": [annotations, values, squared values]}
# {control: the same}; those beyond CONTROLS_MAX are left out
CONTROLS: Final = "controls"
# {Label Studio's user ID: the same}; OTHERS: those beyond ANNOTATORS_MAX
ANNOTATORS: Final = "annotators"
SCORES: Final = "scores"  # {tenth, "0" to "9": [annotations, scores, values]}
# {"control: label": [annotations, in both, only predicted, only annotated]}; those
# beyond LABELS_MAX are left out
LABELS: Final = "labels"
# All of the above are of annotations whose annotator saw the prediction. If it was
# withheld, there is only {"": [annotations, values, squared values]}.
NOT_SHOWN: Final = "not_shown"

ANNOTATORS_MAX: Final = 100  # of a version and day
OTHERS: Final = ""
# The same. A model may name controls and labels that nobody defined, and each event and
# each page reads the whole day.
CONTROLS_MAX: Final = 200
LABELS_MAX: Final = 1_000
_BINS: Final = 10


def live_agreement(
    *,
    project: Project,
    annotation_id: int,
    at: datetime,
    annotator: int | None,
    prediction: Prediction,
    scores: Sequence[ControlScore],
) -> LiveAgreement:
    """Return an unsaved row.

    Args:
        project: of both.
        annotation_id: Label Studio's ID.
        at: when the annotation was made.
        annotator: Label Studio's user ID; None = not known.
        prediction: that the annotator saw, or would have seen if it was not withheld.
        scores: how the annotation compares with it; empty = both are empty.
    """
    value = round(fmean(each.value for each in scores), 6) if scores else 1.0
    overall = {"": [1, value, value**2]}
    return LiveAgreement(
        project=project,
        annotation_id=annotation_id,
        prediction_id=prediction.pk,
        model_version=prediction.model_version,
        at=at,
        value=value,
        withheld=prediction.withheld,
        sums={NOT_SHOWN: overall}
        if prediction.withheld
        else {OVERALL: overall, **_in_parts(prediction, scores, value, annotator)},
    )


def _in_parts(
    shown: Prediction,
    scores: Sequence[ControlScore],
    value: float,
    annotator: int | None,
) -> Sums:
    """Return what is added by control, label, annotator and tenth of the score."""
    sums: Sums = {
        CONTROLS: {each.control: [1, each.value, each.value**2] for each in scores},
        LABELS: {
            f"{each.control}: {label}": [1, *counts]
            for each in scores
            for label, counts in each.labels.items()
        },
    }
    if annotator is not None:
        sums[ANNOTATORS] = {str(annotator): [1, value, value**2]}
    if shown.score is not None and 0 <= shown.score <= 1:
        tenth = min(int(shown.score * _BINS), _BINS - 1)
        sums[SCORES] = {str(tenth): [1, shown.score, value]}
    return sums


def replace_live_agreements(
    *, project: Project, annotation_ids: Iterable[int], rows: Sequence[LiveAgreement]
) -> None:
    """Replace the rows of these annotations, and correct the sums of their days.

    Call it inside `writing`: the sums are read, changed and written.
    """
    current = LiveAgreement.objects.filter(
        project=project, annotation_id__in=annotation_ids
    )
    before = list(current)
    days = _days(project, {_key(row) for row in (*before, *rows)})
    for row in before:
        add(days[_key(row)].sums, row.sums, sign=-1)
    for row in rows:
        day = days[_key(row)]
        _bound_annotators(row.sums, day.sums)
        _bound(CONTROLS, CONTROLS_MAX, row.sums, day.sums)
        _bound(LABELS, LABELS_MAX, row.sums, day.sums)
        add(day.sums, row.sums)
    current.exclude(annotation_id__in=[row.annotation_id for row in rows]).delete()
    LiveAgreement.objects.bulk_create(
        rows,
        update_conflicts=True,  # keeps the primary key and `watched`
        unique_fields=["project", "annotation_id"],
        update_fields=[
            "prediction_id",
            "model_version",
            "at",
            "value",
            "withheld",
            "sums",
        ],
    )
    _save(days.values())


def add(to: Sums, sums: Mapping[str, Mapping[str, list[float]]], sign: int = 1) -> None:
    """Add sums to others, or subtract them with sign -1."""
    for group, vectors in sums.items():
        totals = to.setdefault(group, {})
        for name, vector in vectors.items():
            before = totals.get(name) or [0] * len(vector)
            totals[name] = [a + sign * b for a, b in zip(before, vector, strict=True)]


def _bound_annotators(sums: Sums, of_day: Sums) -> None:
    """Count an annotator with the others if the day already has too many.

    The row says where it was counted, so that it can be subtracted there.
    """
    known = of_day.get(ANNOTATORS, {})
    if len(known.keys() - {OTHERS}) >= ANNOTATORS_MAX:
        sums[ANNOTATORS] = {
            name if name in known else OTHERS: vector
            for name, vector in sums.get(ANNOTATORS, {}).items()
        }


def _bound(group: str, most: int, sums: Sums, of_day: Sums) -> None:
    """Leave out names of a group that the day does not know if it has too many."""
    known = of_day.get(group, {})
    vectors = sums.get(group, {})
    new = [name for name in vectors if name not in known]
    for name in new[max(0, most - len(known)) :]:
        del vectors[name]


def _days(project: Project, keys: set[_Key]) -> dict[_Key, LiveAgreementDay]:
    """Return the sums of these days, empty ones where there are none."""
    known = {
        (row.model_version, row.day): row
        for row in LiveAgreementDay.objects.filter(
            project=project,
            model_version__in={version for version, _ in keys},
            day__in={day for _, day in keys},
        )
    }
    return {
        (version, day): known.get((version, day))
        or LiveAgreementDay(project=project, model_version=version, day=day, sums={})
        for version, day in keys
    }


def _save(days: Iterable[LiveAgreementDay]) -> None:
    kept: list[LiveAgreementDay] = []
    empty: list[LiveAgreementDay] = []
    for row in days:
        row.sums = _counted(row.sums)
        (kept if row.sums else empty).append(row)
    LiveAgreementDay.objects.bulk_create(
        kept,
        update_conflicts=True,
        unique_fields=["project", "model_version", "day"],
        update_fields=["sums"],
    )
    LiveAgreementDay.objects.filter(pk__in=[row.pk for row in empty]).delete()


def _counted(sums: Sums) -> Sums:
    """Leave out what counts nothing, and the rounding errors that remain of it."""
    groups = {
        group: {name: vector for name, vector in vectors.items() if vector[0]}
        for group, vectors in sums.items()
    }
    return {group: vectors for group, vectors in groups.items() if vectors}


def _key(row: LiveAgreement) -> _Key:
    return row.model_version, row.at.date()
