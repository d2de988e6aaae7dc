"""Reads what the checks for drift found, for pages, REST, commands and alarms."""

from datetime import datetime

from django.db.models import F

from lsml.quality.drift.checking import WINDOW, latest_prediction
from lsml.quality.drift.models import DriftCheck
from lsml.registry.models import Project
from lsml.registry.versions import served_by_project


def latest_check(project: Project) -> DriftCheck | None:
    """Return the latest check of the served version; None = it was not checked."""
    checks = project.drift_checks.filter(model_version=project.served_version)
    return checks.order_by("-pk").first()


def why_not_checked(project: Project) -> str:
    """Say why the served version was not checked, and when it will be."""
    version = project.active_version
    if version is None or not version.trained:
        return (
            f"Drift is not checked: {project.served_version} was not trained here, so"
            " there is nothing to compare with."
        )
    if latest_prediction(project) is None:
        return (
            f"Drift is not checked yet: {version.version} has predicted no task. It is"
            " checked within 5 minutes of its first prediction."
        )
    return (
        "Drift is not checked yet: it will be within 5 minutes, as long as beat and a"
        " worker with the queue “default” run."
    )


def drifting(now: datetime) -> list[DriftCheck]:
    """Return the latest checks of served versions in which a feature differs.

    Not those of a version that has predicted nothing for so long that its live tasks
    are no longer recent.
    """
    latest = (
        DriftCheck.objects.annotate(served=served_by_project())
        .filter(
            project__archived_at=None,
            model_version=F("served"),
            checked_at__gt=now - WINDOW,
        )
        .order_by("project", "-pk")
        .distinct("project")
        .select_related("project")
        .defer("project__label_config", "project__extra_params")
    )
    return [check for check in latest if check.sentences]
