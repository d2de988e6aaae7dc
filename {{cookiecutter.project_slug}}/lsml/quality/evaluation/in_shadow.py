"""Compares a version in shadow with the served one, by their recorded predictions.

Of the tasks that both predicted and that were annotated since.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from lsml.audit.models import Prediction
from lsml.dataset.annotated import annotated_tasks
from lsml.dataset.holdout import trained_task_ids
from lsml.dataset.models import Annotation, Snapshot
from lsml.inference.models import ShadowTask
from lsml.quality.budget import UNLIMITED, Budget
from lsml.quality.evaluation.measuring import Measured
from lsml.registry.models import (
    INITIAL_VERSION,
    SHADOW_TASKS_MAX,
    ModelVersion,
    Project,
)

_State = ShadowTask.State
_FAILED = "predict() failed in shadow; see the predictions"


def tasks_to_compare(
    project: Project,
    version: ModelVersion,
    served: ModelVersion | None,
    *,
    at_least: int = 0,
) -> list[int]:
    """Return the tasks that can be compared, the latest first.

    Annotated after the served version's first prediction, which Label Studio keeps and
    shows; neither version was trained on them.

    Args:
        project: Of both versions.
        version: In shadow, now or before.
        served: What it is compared with; None = the untrained model.
        at_least: If there are certainly fewer, none are returned, and the audit log is
            not read.
    """
    annotations = Annotation.objects.trainable().filter(
        project=project, created_at__isnull=False
    )
    chosen = ShadowTask.objects.filter(
        Exists(annotations.filter(task_id=OuterRef("task_id"))),
        Exists(project.tasks.known().filter(task_id=OuterRef("task_id"))),
        shadow=version.pk,
        state__in=[_State.PREDICTED, _State.FAILED],
    )
    task_ids = list(
        chosen.order_by("-pk").values_list("task_id", flat=True)[:SHADOW_TASKS_MAX]
    )
    if len(task_ids) < max(1, at_least):
        return []
    shown = _first_predictions(project, _name(served), task_ids, Prediction.TASK_KINDS)
    predicted_at = _when_predicted(shown)
    since = {row.task_id for row in _annotations_since(project, predicted_at)}
    found = [task_id for task_id in task_ids if task_id in since]
    if len(found) < max(1, at_least):
        return []
    trained = _trained_on(project, [version, served])
    return [task_id for task_id in found if task_id not in trained]


def measure_in_shadow(
    project: Project,
    version: ModelVersion,
    served: ModelVersion | None,
    *,
    budget: Budget = UNLIMITED,
) -> tuple[Measured, Measured]:
    """Return how both versions did on the tasks that can be compared."""
    new, old = Measured(version.version), Measured(_name(served))
    task_ids = tasks_to_compare(project, version, served)
    candidate = _by_task(
        _first_predictions(project, new.version, task_ids, [Prediction.Kind.SHADOW])
    )
    shown = _by_task(
        _first_predictions(project, old.version, task_ids, Prediction.TASK_KINDS)
    )
    failed = set(
        ShadowTask.objects.filter(
            shadow=version.pk, state=_State.FAILED, task_id__in=task_ids
        ).values_list("task_id", flat=True)
    )
    rows = _annotations_since(
        project, {task_id: each.created_at for task_id, each in shown.items()}
    )
    for task in reversed(annotated_tasks(project, rows)):
        if budget.is_used_up:
            break
        if task.id in candidate:
            _add(new, task, candidate[task.id])
        elif task.id in failed:
            new.fail([task], _FAILED)
        else:
            continue
        _add(old, task, shown[task.id])
    return new, old


def _add(measured: Measured, task: Any, prediction: Prediction) -> None:
    measured.add(task, prediction.result or [])
    seconds = prediction.latency_ms / 1000 / max(1, prediction.batch_size)
    measured.seconds[task.id] = seconds


def _trained_on(project: Project, versions: Iterable[ModelVersion | None]) -> set[int]:
    digests = [each.snapshot_digest for each in versions if each]
    snapshots = Snapshot.objects.filter(project=project, digest__in=digests)
    return {task_id for each in snapshots for task_id in trained_task_ids(each)}


def _first_predictions(
    project: Project, version: str, task_ids: list[int], kinds: Iterable[str]
) -> QuerySet[Prediction]:
    """Return the first prediction of a version for each task, but for errors.

    Label Studio keeps that one: it does not ask again for what has one.
    """
    rows = Prediction.objects.filter(
        project_pk=project.pk,
        model_version=version,
        kind__in=list(kinds),
        task_id__in=task_ids,
    ).exclude(outcome=Prediction.Outcome.ERROR)
    return rows.order_by("task_id", "pk").distinct("task_id").defer("input", "context")


def _when_predicted(predictions: QuerySet[Prediction]) -> dict[int, datetime]:
    found = predictions.values_list("task_id", "created_at")
    return {task_id: at for task_id, at in found if task_id is not None}


def _by_task(predictions: QuerySet[Prediction]) -> dict[int, Prediction]:
    return {each.task_id: each for each in predictions if each.task_id is not None}


def _annotations_since(
    project: Project, predicted_at: Mapping[int, datetime]
) -> list[Annotation]:
    """Return the annotations made after the prediction that was shown."""
    rows = Annotation.objects.trainable().filter(
        project=project, task_id__in=list(predicted_at), created_at__isnull=False
    )
    return [
        row
        for row in rows
        if row.task_id is not None
        and row.created_at is not None
        and row.created_at > predicted_at[row.task_id]
    ]


def _name(version: ModelVersion | None) -> str:
    return version.version if version else INITIAL_VERSION
