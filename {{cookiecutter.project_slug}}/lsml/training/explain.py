"""Explains a prediction: its version, run and annotations, and its agreement."""

from typing import Any

from lsml.audit.models import Prediction, WebhookEvent
from lsml.dataset.models import Agreement, Annotation
from lsml.registry.models import ModelVersion, Project, Promotion
from lsml.training.models import TrainingRun


def explain(prediction: Prediction) -> dict[str, Any]:
    """Return everything known about one prediction, ready for JSON.

    Returns:
        `prediction`, `project`, `version` (null before anything was trained), `run`,
        `snapshot` (annotation ids with their last update), `promotion` (the one that
        put the version into service before this prediction), `annotations` (of the
        task, as last seen) and `agreement`.
    """
    project_pk: Any = prediction.project_pk  # null if it belongs to no project
    project = Project.objects.filter(pk=project_pk).first()
    version = _version(prediction)
    run = _run(version)
    return {
        "prediction": _prediction(prediction),
        "project": None
        if project is None
        else {"id": project.pk, "key": str(project.key), "title": project.title},
        "version": version and _version_facts(version),
        "run": run and _run_facts(run),
        "snapshot": _snapshot(run),
        "promotion": version and _promotion(version, prediction),
        "annotations": _annotations(prediction),
        "agreement": list(
            Agreement.objects.filter(prediction_id=prediction.pk)
            .order_by("annotation_id")
            .values("annotation_id", "measure", "value")
        ),
    }


def _prediction(prediction: Prediction) -> dict[str, Any]:
    return {
        field.attname: getattr(prediction, field.attname)
        for field in Prediction._meta.concrete_fields
    }


def _version(prediction: Prediction) -> ModelVersion | None:
    project_pk: Any = prediction.project_pk
    versions = ModelVersion.objects.filter(
        project_id=project_pk, version=prediction.model_version
    )
    return versions.select_related("parent").first()


def _version_facts(version: ModelVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "created_at": version.created_at,
        "parent": version.parent and version.parent.version,
        "code_revision": version.code_revision,
        "python_version": version.python_version,
        "packages": version.packages,
        "artifact_sha256": version.artifact_sha256,
        "metrics": version.metrics,
        "label_config_digest": version.label_config_digest,
        "annotation_count": version.annotation_count,
        "snapshot_digest": version.snapshot_digest,
    }


def _run(version: ModelVersion | None) -> TrainingRun | None:
    if version is None:
        return None
    return (
        TrainingRun.objects.filter(version=version).select_related("snapshot").first()
    )


def _run_facts(run: TrainingRun) -> dict[str, Any]:
    event_ids = list(run.events.order_by("event_id").values_list("event_id", flat=True))
    return {
        "id": run.pk,
        "trigger": run.trigger,
        "requested_by": run.requested_by,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "attempts": run.attempts,
        "event_ids": event_ids,
        "request_ids": sorted(
            set(
                WebhookEvent.objects.filter(pk__in=event_ids).values_list(
                    "request_id", flat=True
                )
            )
        ),
    }


def _snapshot(run: TrainingRun | None) -> dict[str, Any] | None:
    if run is None or run.snapshot is None:
        return None
    snapshot = run.snapshot
    return {
        "digest": snapshot.digest,
        "count": len(snapshot.annotation_ids),
        "tasks": snapshot.task_count,
        "holdout_percent": snapshot.holdout_percent,
        "held_out_tasks": snapshot.held_out_task_count,
        "annotations": [
            {"id": annotation_id, "updated_at": updated_at}
            for annotation_id, updated_at in zip(
                snapshot.annotation_ids, snapshot.annotation_updates, strict=True
            )
        ],
    }


def _promotion(version: ModelVersion, prediction: Prediction) -> dict[str, Any] | None:
    # The database's clock is in both ids, so they can be compared.
    promotions = Promotion.objects.filter(to_version=version, pk__lte=prediction.pk)
    found: Any = (
        promotions.order_by("-pk").values("id", "at", "actor", "reason").first()
    )
    return found and dict(found)


def _annotations(prediction: Prediction) -> list[dict[str, Any]]:
    project_pk: Any = prediction.project_pk
    annotations: Any = Annotation.objects.filter(
        project_id=project_pk, task_id=prediction.task_id
    )
    return list(
        annotations.order_by("annotation_id").values(
            "annotation_id",
            "result",
            "completed_by",
            "was_cancelled",
            "ground_truth",
            "updated_at",
            "deleted_at",
        )
    )
