"""Lists suspicious annotations, drawn beside the prediction that contradicts them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from lsml.audit.models import Prediction
from lsml.console.pages.base import needs, page, shows_report
from lsml.console.pages.prediction import Side, canvas_of, sides_of
from lsml.dataset.models import Annotation, Task
from lsml.observability.origin import requester
from lsml.quality.budget import one_report
from lsml.quality.suspicious.confirming import (
    AnnotationChanged,
    confirm_annotation,
)
from lsml.quality.suspicious.services import Suspicious, suspicious_annotations
from lsml.registry.models import Project

_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A suspicious annotation as the page shows it."""

    facts: Suspicious
    task: Task
    annotation: Annotation
    sides: list[Side]


@needs("read")
@shows_report
def suspicious(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the most suspicious annotations of a project."""
    project = get_object_or_404(Project, pk=pk)
    with one_report() as budget:
        report = suspicious_annotations(project=project, limit=_SHOWN, budget=budget)
    entries = list(_entries(project, report.results))
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


class SeenForm(forms.Form):
    """The state of the annotation that the page showed."""

    updated_at = forms.DateTimeField()


@require_POST
@needs("operate")
def confirm(request: HttpRequest, pk: int, annotation_id: int) -> HttpResponse:
    """Keep an annotation off the list: the person found it right."""
    project = get_object_or_404(Project, pk=pk)
    seen = SeenForm(request.POST)
    if not seen.is_valid():
        raise BadRequest
    try:
        confirm_annotation(
            project=project,
            annotation_id=annotation_id,
            updated_at=seen.cleaned_data["updated_at"],
            **requester(request),
        )
    except AnnotationChanged as refused:
        messages.error(request, str(refused))
    else:
        messages.success(
            request,
            _("Annotation %(id)s is confirmed. It is listed again only if it changes.")
            % {"id": annotation_id},
        )
    return redirect("admin:console_suspicious", project.pk)


def _entries(project: Project, found: Iterable[Suspicious]) -> Iterator[Entry]:
    found = list(found)
    predictions = Prediction.objects.in_bulk(
        [one.prediction_id for one in found if one.prediction_id is not None]
    )
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
        task = tasks.get(one.task_id)
        annotation = annotations.get(one.annotation_id)
        prediction = predictions.get(one.prediction_id or 0)
        removed = one.prediction_id is not None and prediction is None
        if task is None or annotation is None or removed:
            continue  # since it was found
        drawn_on = replace(canvas, data=task.data)
        yield Entry(
            facts=one,
            task=task,
            annotation=annotation,
            sides=sides_of(prediction, [annotation], drawn_on),
        )
