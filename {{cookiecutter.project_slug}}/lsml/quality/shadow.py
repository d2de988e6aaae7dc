"""Compares the version in shadow with the served one on what was annotated since."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, Exists, OuterRef

from lsml.audit.models import Prediction
from lsml.dataset.annotated import annotated_tasks
from lsml.dataset.holdout import trained_task_ids
from lsml.dataset.models import Annotation, Snapshot
from lsml.inference.models import Shadow, ShadowTask
from lsml.quality.budget import UNLIMITED, Budget
from lsml.quality.evaluation.measuring import Measured
from lsml.quality.evaluation.report import report
from lsml.quality.evaluation.work import gate_of
from lsml.quality.gates.rules import judge
from lsml.registry.models import ModelVersion, Project

TASKS_MAX: Final = 2_000  # the newest; more would not make the intervals much narrower
_State = ShadowTask.State

_ByTask = Mapping[int, Prediction]


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """What a version did in shadow, and how it compares.

    Attributes:
        version: In shadow.
        compared_with: The served version.
        percent: The share of the tasks.
        predicted: Tasks that it predicted, or failed on.
        failed: Of these.
        waiting: Tasks that it will predict.
        unknown: Tasks it could not predict: their data is not in the dataset.
        dropped: How often a task was left out because too many waited.
        compared: Tasks that both predicted and that were annotated after the served
            version's prediction.
        passes: By the project's promotion policy; None if there are too few tasks.
        verdict: The same as a sentence.
        figures: As `evaluation/report.py` describes.
    """

    version: str
    compared_with: str
    percent: int
    predicted: int
    failed: int
    waiting: int
    unknown: int
    dropped: int
    compared: int
    passes: bool | None
    verdict: str
    figures: dict[str, Any]


def shadow_report(
    project: Project, *, budget: Budget = UNLIMITED
) -> ShadowReport | None:
    """Compare the project's version in shadow; return None if there is none.

    Args:
        project: The project.
        budget: The time it may take. The newest tasks come first.
    """
    version = project.shadow_version
    if version is None:
        return None
    shadow = Shadow.objects.filter(version=version).first()
    new, old = _measured(project, version, shadow, budget)
    verdict = judge(
        gate_of(project),
        new.scored(with_failed=False),
        old.scored(with_failed=True),
        kind="annotated",
    )
    counts = _counts(shadow)
    return ShadowReport(
        version=version.version,
        compared_with=project.served_version,
        percent=project.shadow_percent,
        predicted=counts.get(_State.PREDICTED, 0) + counts.get(_State.FAILED, 0),
        failed=counts.get(_State.FAILED, 0),
        waiting=counts.get(_State.WAITING, 0),
        unknown=counts.get(_State.UNKNOWN, 0),
        dropped=shadow.dropped if shadow else 0,
        compared=len(old.scores),
        passes=verdict.passes if verdict.judged else None,
        verdict=verdict.reason,
        figures=report(new, old, verdict),
    )


def _counts(shadow: Shadow | None) -> dict[str, int]:
    if shadow is None:
        return {}
    rows = shadow.tasks.values("state").annotate(count=Count("pk"))
    return dict(rows.values_list("state", "count"))


def _measured(
    project: Project, version: ModelVersion, shadow: Shadow | None, budget: Budget
) -> tuple[Measured, Measured]:
    """Return how both versions did on the tasks that can be compared."""
    new, old = Measured(version.version), Measured(project.served_version)
    if shadow is None:
        return new, old
    task_ids = _annotated_ids(project, version, shadow)
    candidate = _first_predictions(
        project, version.version, task_ids, [Prediction.Kind.SHADOW]
    )
    served = _first_predictions(
        project, project.served_version, task_ids, Prediction.TASK_KINDS
    )
    failed = set(
        shadow.tasks.filter(state=_State.FAILED, task_id__in=task_ids).values_list(
            "task_id", flat=True
        )
    )
    rows = _annotations_since(project, served)
    for task in reversed(annotated_tasks(project, rows)):
        if budget.is_used_up:
            break
        if task.id in candidate:
            _add(new, task, candidate[task.id])
        elif task.id in failed:
            new.fail([task], "predict() failed in shadow; see the predictions")
        else:
            continue
        _add(old, task, served[task.id])
    return new, old


def _add(measured: Measured, task: Any, prediction: Prediction) -> None:
    measured.add(task, prediction.result or [])
    seconds = prediction.latency_ms / 1000 / max(1, prediction.batch_size)
    measured.seconds.append(seconds)


def _annotated_ids(
    project: Project, version: ModelVersion, shadow: Shadow
) -> list[int]:
    """Return the annotated tasks that neither version was trained on, latest first."""
    annotations = Annotation.objects.trainable().filter(
        project=project, task_id=OuterRef("task_id")
    )
    tasks = shadow.tasks.filter(
        Exists(annotations), state__in=[_State.PREDICTED, _State.FAILED]
    )
    trained = _trained_on(project, [version, project.active_version])
    task_ids = tasks.order_by("-pk").values_list("task_id", flat=True)
    return [each for each in task_ids if each not in trained][:TASKS_MAX]


def _trained_on(project: Project, versions: Iterable[ModelVersion | None]) -> set[int]:
    digests = [each.snapshot_digest for each in versions if each]
    snapshots = Snapshot.objects.filter(project=project, digest__in=digests)
    return {task_id for each in snapshots for task_id in trained_task_ids(each)}


def _first_predictions(
    project: Project, version: str, task_ids: list[int], kinds: Iterable[str]
) -> _ByTask:
    """Return the first prediction of a version for each task, but for errors.

    Label Studio keeps that one: it does not ask again for what has one.
    """
    rows = Prediction.objects.filter(
        project_pk=project.pk,
        model_version=version,
        kind__in=list(kinds),
        task_id__in=task_ids,
    ).exclude(outcome=Prediction.Outcome.ERROR)
    first = rows.order_by("task_id", "pk").distinct("task_id").defer("input", "context")
    return {each.task_id: each for each in first if each.task_id is not None}


def _annotations_since(project: Project, served: _ByTask) -> list[Annotation]:
    """Return the annotations made after the prediction that was shown."""
    rows = Annotation.objects.trainable().filter(
        project=project, task_id__in=list(served), created_at__isnull=False
    )
    return [
        row
        for row in rows
        if row.task_id is not None
        and row.created_at is not None
        and row.created_at > served[row.task_id].created_at
    ]
