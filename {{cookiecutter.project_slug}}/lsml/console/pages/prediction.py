"""A prediction beside its task and the annotators' answers."""

from typing import Any

from django.http import HttpRequest

from lsml.audit.models import Prediction
from lsml.dataset.models import Annotation, Task
from lsml.registry.models import ModelVersion, Project


def prediction_context(request: HttpRequest, found: Prediction) -> dict[str, Any]:
    """The task as last seen, who else answered it, and the version that did."""
    project = Project.objects.filter(pk=found.project_id or 0).first()
    of_task: dict[str, Any] = {
        "project_id": found.project_id or 0,
        "task_id": found.task_id,
    }
    version = ModelVersion.objects.filter(
        project_id=found.project_id or 0, version=found.model_version
    )
    return {
        "project": project,
        "task": Task.objects.filter(**of_task).first(),
        "version": version.select_related("project", "run").first(),
        "annotations": list(
            Annotation.objects.filter(**of_task, deleted_at=None).order_by("-pk")[:3]
        ),
    }
