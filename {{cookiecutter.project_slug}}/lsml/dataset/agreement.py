"""Keeps agreement up to date: predictions against final annotations.

`Agreement` has a row for each of the latest versions, `LiveAgreement` only one, for the
prediction that the annotator saw, or that was withheld.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from lsml.audit.models import Prediction
from lsml.dataset.live import live_agreement, replace_live_agreements
from lsml.dataset.measures import by_measure, compare
from lsml.dataset.models import Agreement, Annotation, LiveAgreement
from lsml.registry.models import Project

_VERSIONS_MAX: Final = 5  # per task; the latest ones


def update_agreements(*, project: Project, annotation_ids: Iterable[int]) -> int:
    """Compare annotations with the last prediction of each version for their task.

    The agreements of these annotations are replaced; those of deleted and skipped
    annotations are removed. Call it inside `writing`, in the transaction that changed
    the annotations.

    Args:
        project: the project of the annotations.
        annotation_ids: Label Studio's IDs; unknown ones are ignored.

    Returns:
        How many agreements these annotations have now.
    """
    annotations: list[Any] = list(
        Annotation.objects.trainable()
        .filter(
            project=project, annotation_id__in=annotation_ids, task_id__isnull=False
        )
        .annotate(
            made_at=Coalesce("created_at", "updated_at"),
            last_id=_last_id(project),
            was_sent_one=_was_sent_one(project),
        )
    )
    predictions = _last_predictions(project, {one.task_id for one in annotations})
    before = _by_key({one.last_id for one in annotations}, predictions)
    rows: list[Agreement] = []
    live: list[LiveAgreement] = []
    for annotation in annotations:
        seen = before.get(annotation.last_id)
        if seen is not None and seen.withheld and annotation.was_sent_one:
            seen = None  # nobody knows whether the earlier one was on the screen
        last = predictions[annotation.task_id]
        scores = {
            each.pk: compare(each.result or [], annotation.result or [])
            for each in {*last, seen}
            if each is not None
        }
        rows += [
            Agreement(
                project=project,
                prediction_id=prediction.pk,
                annotation_id=annotation.annotation_id,
                task_id=annotation.task_id,
                model_version=prediction.model_version,
                measure=measure,
                value=value,
            )
            for prediction in last
            for measure, value in by_measure(scores[prediction.pk]).items()
        ]
        if seen is not None:
            live.append(
                live_agreement(
                    project=project,
                    annotation_id=annotation.annotation_id,
                    at=annotation.made_at,
                    annotator=annotation.completed_by,
                    prediction=seen,
                    scores=scores[seen.pk],
                )
            )
    Agreement.objects.filter(project=project, annotation_id__in=annotation_ids).delete()
    Agreement.objects.bulk_create(rows)
    replace_live_agreements(project=project, annotation_ids=annotation_ids, rows=live)
    return len(rows)


def _last_id(project: Project) -> Subquery:
    """Return, for each annotation, the key of the prediction that it is compared with.

    The last one of the whole task before the annotation was made, whether it was sent
    or withheld.
    """
    return Subquery(_before(project).order_by("-pk").values("pk")[:1])


def _was_sent_one(project: Project) -> Exists:
    """Return, for each annotation, whether a prediction was sent before it was made."""
    return Exists(_before(project).filter(withheld=False))


def _before(project: Project) -> QuerySet[Prediction]:
    """Return the predictions of the whole task before the annotation was made.

    An interactive answer belongs to one click, and a shadow prediction is shown to
    nobody.
    """
    made_at = Coalesce(OuterRef("created_at"), OuterRef("updated_at"))
    return Prediction.objects.filter(
        project_pk=project.pk,
        task_id=OuterRef("task_id"),
        kind__in=Prediction.TASK_KINDS,
        outcome=Prediction.Outcome.OK,
        created_at__lte=made_at,
    )


def _by_key(
    keys: set[int], predictions: Mapping[int | None, Iterable[Prediction]]
) -> dict[int, Prediction]:
    """Return predictions by key; read those that are not among the given ones."""
    known = {each.pk: each for some in predictions.values() for each in some}
    missing = keys - known.keys() - {None}
    rows = Prediction.objects.filter(pk__in=missing)
    return known | {each.pk: each for each in rows}


def _last_predictions(
    project: Project, task_ids: set[int | None]
) -> defaultdict[int | None, list[Prediction]]:
    """Return by task the last prediction of each of its latest versions."""
    found: defaultdict[int | None, list[Prediction]] = defaultdict(list)
    rows = Prediction.objects.filter(
        project_pk=project.pk,
        task_id__in=task_ids,
        outcome=Prediction.Outcome.OK,
    )
    last = rows.order_by("task_id", "model_version", "-pk").distinct(
        "task_id", "model_version"
    )
    for prediction in last:
        found[prediction.task_id].append(prediction)
    for task_id, predictions in found.items():
        latest = sorted(predictions, key=lambda one: one.pk, reverse=True)
        found[task_id] = latest[:_VERSIONS_MAX]
    return found
