"""The page of a version, its notes, and the download of its artifact."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.files.storage import Storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from lsml.audit.models import AuditEntry, Prediction
from lsml.audit.services import record_entry
from lsml.console.charts import confusion_table
from lsml.console.drawing.values import bar
from lsml.console.links import page_of
from lsml.console.pages.base import needs
from lsml.console.pages.metrics import compared, confusion, per_label
from lsml.console.pages.quality import newest_evaluations
from lsml.console.progress import curves
from lsml.dataset.models import Snapshot
from lsml.jobs.errors import JobError
from lsml.observability.origin import Origin, requester
from lsml.quality.evaluation.jobs import request_evaluation
from lsml.quality.models import Evaluation
from lsml.quality.validity.counts import check_of
from lsml.registry.artifacts import artifact_storage
from lsml.registry.models import ModelVersion
from lsml.registry.policy import update_notes


class NotesForm(forms.Form):
    """Notes about a version."""

    notes = forms.CharField(
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "c-input"}),
    )


def version_context(request: HttpRequest, found: ModelVersion) -> dict[str, Any]:
    """Collect metrics next to the parent's, training data and latest predictions."""
    project = found.project
    run = getattr(found, "run", None)
    snapshot = Snapshot.objects.filter(project=project, digest=found.snapshot_digest)
    made: Any = Prediction.objects.filter(
        project_pk=project.pk, model_version=found.version
    )
    evaluations = newest_evaluations(found.evaluations, 10)
    others = project.versions.exclude(pk=found.pk).order_by("-number")
    return {
        "serving": project.active_version_id == found.pk,
        "in_shadow": project.shadow_version_id == found.pk,
        "metrics": compared(
            found.parent.metrics if found.parent else {}, found.metrics
        ),
        "chart": curves(run) if run else None,
        "confusion": confusion_table(confusion(found.metrics)),
        "per_label": per_label(found.metrics),
        "evaluations": evaluations,
        "may_evaluate": found.held_out_tasks > 0
        and not any(each.state in Evaluation.ACTIVE for each in evaluations),
        "answer_check": check_of(project, found.version),
        "snapshot": snapshot.first(),
        "labels": [
            (label, bar(count / (found.annotation_count or 1), label), count)
            for label, count in _counts(snapshot.first())
        ],
        "promotions": list(
            found.promotions.select_related("from_version", "to_version")[:10]
        ),
        "predictions": list(
            made.order_by("-pk").defer("result", "input", "context")[:10]
        ),
        "others": list(others.values_list("version", flat=True)[:50]),
        "notes_form": NotesForm(initial={"notes": found.notes}),
    }


def _counts(snapshot: Snapshot | None) -> list[tuple[str, int]]:
    counts = snapshot.label_counts if snapshot else {}
    return sorted(counts.items(), key=lambda pair: -pair[1])[:30]


@require_POST
@needs("operate")
def note(request: HttpRequest, pk: int) -> HttpResponse:
    """Replace the notes."""
    version = get_object_or_404(ModelVersion, pk=pk)
    form = NotesForm(request.POST)
    if form.is_valid():
        update_notes(
            version=version,
            notes=form.cleaned_data["notes"],
            **requester(request),
        )
    return redirect(page_of(version))


@require_POST
@needs("operate")
def evaluate(request: HttpRequest, pk: int) -> HttpResponse:
    """Compare the version with the served one on its held-out tasks."""
    version = get_object_or_404(ModelVersion.objects.select_related("project"), pk=pk)
    try:
        evaluation = request_evaluation(version, **requester(request))
    except JobError as refused:
        messages.error(request, str(refused))
        return redirect(page_of(version))
    messages.success(request, _("%s is waiting for a worker.") % evaluation)
    return redirect(page_of(evaluation))


@needs("export")
def artifact(request: HttpRequest, pk: int) -> FileResponse:
    """Download the stored tar archive of the artifact; recorded in the audit log."""
    version = get_object_or_404(ModelVersion, pk=pk)
    storage: Storage = artifact_storage()
    if not version.artifact_key or not storage.exists(version.artifact_key):
        raise Http404(_("The artifact is missing in the storage."))
    record_entry(
        origin=Origin.from_request(request),
        at=timezone.now(),
        actor=request.user.get_username(),
        verb=AuditEntry.Verb.ARTIFACT_DOWNLOADED,
        target=f"version {version.version}",
        project_pk=version.project_id,
        detail={"sha256": version.artifact_sha256},
    )
    return FileResponse(
        storage.open(version.artifact_key),
        as_attachment=True,
        filename=f"{version.version}.tar",
        content_type="application/x-tar",
    )
