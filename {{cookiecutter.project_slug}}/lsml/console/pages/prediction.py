"""The page of a prediction: the task, the result and the annotations, drawn."""

from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

from lsml.audit.models import Prediction
from lsml.console.drawing import Canvas, Picture, draw, draw_task
from lsml.dataset.models import Agreement, Annotation, Task
from lsml.labelstudio.label_config import readable_label_config
from lsml.registry.models import ModelVersion, Project

_ANNOTATIONS_MAX = 3


@dataclass(frozen=True, slots=True)
class Side:
    """One answer to the task: the model's, or an annotator's."""

    title: str
    pictures: list[Picture]
    raw: Any
    about: str = ""


def prediction_context(request: HttpRequest, found: Prediction) -> dict[str, Any]:
    """Collect the task as last seen, its annotations, and the version."""
    project = Project.objects.filter(pk=found.project_pk or 0).first()
    of_task: dict[str, Any] = {
        "project_id": found.project_pk or 0,
        "task_id": found.task_id if found.task_id is not None else -1,
    }
    task = Task.objects.filter(**of_task).first()
    version = ModelVersion.objects.filter(
        project_id=found.project_pk or 0, version=found.model_version
    )
    annotations = Annotation.objects.filter(**of_task, deleted_at=None).order_by("-pk")
    data = task.data if task else found.input
    canvas = canvas_of(project, data)
    sides = sides_of(found, list(annotations[:_ANNOTATIONS_MAX]), canvas)
    origins = {o for side in sides for p in side.pictures for o in p.origins}
    return {
        "project": project,
        "task": task,
        "data": data,
        "version": version.select_related("project", "run").first(),
        "sides": sides,
        "agreements": list(Agreement.objects.filter(prediction_id=found.pk)),
        "image_origins": sorted(origins) if settings.CONSOLE_IMAGES else [],
    }


def canvas_of(project: Project | None, data: Any) -> Canvas:
    """Return what the results of a task are drawn on."""
    return Canvas(
        data=data if isinstance(data, dict) else {},
        config=readable_label_config(project.label_config if project else ""),
        hostname=project.hostname if project else "",
    )


def sides_of(
    found: Prediction | None, annotations: list[Annotation], canvas: Canvas
) -> list[Side]:
    """Draw the task, the prediction if there is one, and each annotation."""
    sides = [Side(_("Task"), draw_task(canvas), canvas.data)]
    against = canvas
    if found is not None:
        before = found.result if isinstance(found.result, list) else []
        against = replace(canvas, before=before)
        title = _("Prediction by %(version)s") % {"version": found.model_version}
        sides.append(Side(title, draw(found.result, canvas), found.result))
    sides += [
        Side(
            _("Annotation %(id)s") % {"id": annotation.annotation_id},
            draw(annotation.result, against),
            annotation.result,
            _("skipped by the annotator") if annotation.was_cancelled else "",
        )
        for annotation in annotations
    ]
    return sides
