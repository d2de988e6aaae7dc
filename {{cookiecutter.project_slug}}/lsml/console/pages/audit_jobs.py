"""Starts verifications and exports, and serves the files of exports."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from lsml.audit import jobs
from lsml.audit.formats import FORMATS
from lsml.audit.models import AuditJob
from lsml.console.links import page_of
from lsml.console.pages.base import needs, page
from lsml.observability.origin import requester


class ExportForm(forms.Form):
    """The days to export and the format of the file."""

    since = forms.DateField(
        label=_("From (UTC)"), widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label=_("Until, inclusive (UTC)"),
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    file_format = forms.ChoiceField(
        label=_("Format"), choices=[(name, name) for name in FORMATS]
    )

    def clean(self) -> dict[str, Any]:
        """Check the order of the days."""
        given = super().clean() or {}
        since, until = given.get("since"), given.get("until")
        if since and until and until < since:
            raise forms.ValidationError(_("The last day is before the first day."))
        if until == date.max:  # the day after it has no date
            raise forms.ValidationError(_("The last day is too late."))
        return given


@require_POST
@needs("export")
def verify(request: HttpRequest) -> HttpResponse:
    """Start a verification of all seals."""
    job = jobs.start_verification(
        since=None,
        **requester(request),
    )
    return redirect(page_of(job))


@needs("export")
def export(request: HttpRequest) -> HttpResponse:
    """Start an export of whole days."""
    form = ExportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        last_day = form.cleaned_data["until"] + timedelta(days=1)
        job = jobs.start_export(
            **requester(request),
            since=datetime.combine(form.cleaned_data["since"], time(), UTC),
            until=datetime.combine(last_day, time(), UTC),
            file_format=form.cleaned_data["file_format"],
        )
        return redirect(page_of(job))
    context = {"form": form, "title": _("Export the audit log")}
    return page(request, "console/export.html", context)


@needs("export")
def file(request: HttpRequest, pk: int) -> FileResponse:
    """Download the file of an export; the audit log records it."""
    job = get_object_or_404(AuditJob, pk=pk)
    try:
        return jobs.download(
            job,
            **requester(request),
        )
    except jobs.FileGone as error:
        raise Http404(str(error)) from error
