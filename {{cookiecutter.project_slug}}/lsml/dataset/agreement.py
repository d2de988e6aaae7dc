"""Keeps the `Agreement` rows up to date: predictions against final annotations."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, cast

from lsml.audit.models import Prediction
from lsml.dataset.measures import agreement
from lsml.dataset.models import Agreement, Annotation
from lsml.registry.models import Project

_VERSIONS_MAX: Final = 5  # per task; the latest ones


def update_agreements(*, project: Project, annotation_ids: Iterable[int]) -> int:
    """Compare annotations with the last prediction of each version for their task.

    The agreements of these annotations are replaced; those of deleted and skipped
    annotations are removed. Call it inside the transaction that changed them.

    Args:
        project: the project of the annotations.
        annotation_ids: Label Studio's IDs; unknown ones are ignored.

    Returns:
        How many agreements these annotations have now.
    """
    annotations = list(
        Annotation.objects.trainable().filter(
            project=project, annotation_id__in=annotation_ids, task_id__isnull=False
        )
    )
    predictions = _last_predictions(project, {one.task_id for one in annotations})
    rows = [
        Agreement(
            project=project,
            prediction_id=prediction.pk,
            annotation_id=annotation.annotation_id,
            task_id=cast("int", annotation.task_id),
            model_version=prediction.model_version,
            measure=measure,
            value=value,
        )
        for annotation in annotations
        for prediction in predictions[annotation.task_id]
        for measure, value in agreement(
            prediction.result or [], annotation.result or []
        ).items()
    ]
    Agreement.objects.filter(project=project, annotation_id__in=annotation_ids).delete()
    Agreement.objects.bulk_create(rows)
    return len(rows)


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
