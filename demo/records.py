"""Prints what the baked project recorded: one line of JSON for each line of input.

This is a separate program because it runs in the baked project's environment.
"""

import json
import os
import sys
from typing import Any

import django


def recorded() -> dict[str, Any]:
    """Return counts, runs and versions of the newest project."""
    from lsml.audit.models import Prediction, WebhookEvent
    from lsml.registry.models import Project, Promotion
    from lsml.training.models import TrainingRun

    project = Project.objects.order_by("-pk").first()
    if project is None:
        return {}
    runs = TrainingRun.objects.filter(project=project).order_by("pk")
    last = runs.last()
    return {
        "predictions": Prediction.objects.filter(project_pk=project.pk).count(),
        "events": WebhookEvent.objects.filter(project_pk=project.pk).count(),
        "promotions": Promotion.objects.filter(project=project).count(),
        "runs": [run.state for run in runs],
        "run": {"message": last.message, "progress": last.progress, "error": last.error}
        if last
        else None,
        "versions": [
            {
                "version": version.version,
                "annotations": version.annotation_count,
                "metrics": version.metrics,
            }
            for version in project.versions.order_by("number")
        ],
    }


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["LOG_LEVEL"] = "ERROR"
    django.setup()
    for _ in sys.stdin:
        print(json.dumps(recorded()), flush=True)
