"""Reads what the checks for drift found, for pages, REST, commands and alarms."""

from datetime import datetime

from django.db.models import F

from lsml.quality.drift.checking import WINDOW
from lsml.quality.drift.models import DriftCheck
from lsml.registry.models import Project
from lsml.registry.versions import served_by_project


def latest_check(project: Project) -> DriftCheck | None:
    """Return the latest check of the served version; None = it was not checked."""
    checks = project.drift_checks.filter(model_version=project.served_version)
    return checks.order_by("-pk").first()


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
