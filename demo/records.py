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
    from lsml.quality.models import Evaluation
    from lsml.registry.models import Project, Promotion
    from lsml.training.models import TrainingRun

    project = Project.objects.order_by("-pk").first()
    if project is None:
        return {}
    runs = TrainingRun.objects.filter(project=project).order_by("pk")
    last = runs.select_related("snapshot").last()
    evaluation = (
        Evaluation.objects.filter(project=project, state="succeeded")
        .select_related("version", "compared_with")
        .order_by("pk")
        .last()
    )
    answers = Prediction.objects.filter(project_pk=project.pk).exclude(kind="shadow")
    return {
        "predictions": answers.count(),
        "events": WebhookEvent.objects.filter(project_pk=project.pk).count(),
        "promotions": Promotion.objects.filter(project=project).count(),
        "runs": [run.state for run in runs],
        "run": {
            "message": last.message,
            "progress": last.progress,
            "error": last.error,
            "annotations": _read_by(last),
        }
        if last
        else None,
        "evaluation": {
            "version": evaluation.version.version,
            "verdict": "promoted" if evaluation.promoted else evaluation.verdict,
            "reason": evaluation.reason,
        }
        if evaluation
        else None,
        "versions": [
            {
                "version": version.version,
                "annotations": version.annotation_count,
                "held_out": version.held_out_tasks,
                "metrics": version.metrics,
            }
            for version in project.versions.order_by("number")
        ],
    }


def _read_by(run: Any) -> int:
    """Return the annotations that a run trained on or held out."""
    found = run.snapshot
    return len(found.annotation_ids) + len(found.held_out_ids) if found else 0


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["LOG_LEVEL"] = "ERROR"
    django.setup()
    for _ in sys.stdin:
        print(json.dumps(recorded()), flush=True)
