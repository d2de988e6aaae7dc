"""Lists suspicious annotations, drawn beside the prediction that contradicts them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from lsml.audit.models import Prediction
from lsml.console.pages.base import needs, page
from lsml.console.pages.prediction import Side, canvas_of, sides_of
from lsml.dataset.models import Annotation, Task
from lsml.quality.suspicious.services import Suspicious, suspicious_annotations
from lsml.registry.label_studio import task_address
from lsml.registry.models import Project

_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A suspicious annotation as the page shows it."""

    facts: Suspicious
    task: Task
    annotation: Annotation
    address: str  # of the task in Label Studio; "" = unknown
    sides: list[Side]


@needs("read")
def suspicious(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the most suspicious annotations of a project."""
    project = get_object_or_404(Project, pk=pk)
    report = suspicious_annotations(project=project, n=_SHOWN)
    entries = list(_entries(project, report.worst))
    origins = {
        origin
        for entry in entries
        for side in entry.sides
        for picture in side.pictures
        for origin in picture.origins
    }
    context = {
        "title": _("Suspicious annotations of %(project)s") % {"project": project},
        "project": project,
        "report": report,
        "entries": entries,
        "image_origins": sorted(origins) if settings.CONSOLE_IMAGES else [],
    }
    return page(request, "console/suspicious.html", context)


def _entries(project: Project, found: Iterable[Suspicious]) -> Iterator[Entry]:
    found = list(found)
    predictions = Prediction.objects.in_bulk([one.prediction_id for one in found])
    annotations = {
        row.annotation_id: row
        for row in Annotation.objects.filter(
            project=project, annotation_id__in=[one.annotation_id for one in found]
        )
    }
    tasks = {
        row.task_id: row
        for row in Task.objects.filter(
            project=project, task_id__in=[one.task_id for one in found]
        )
    }
    canvas = canvas_of(project, {})
    for one in found:
        task, annotation = tasks[one.task_id], annotations[one.annotation_id]
        drawn_on = replace(canvas, data=task.data)
        yield Entry(
            facts=one,
            task=task,
            annotation=annotation,
            address=task_address(project, one.task_id),
            sides=sides_of(predictions[one.prediction_id], [annotation], drawn_on),
        )
