"""Shows progress, cancels and retries: the same for every kind of job."""

from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lsml.access.roles import Permission, may
from lsml.console.links import page_of
from lsml.console.pages.base import needs, page
from lsml.console.pages.promotion import ReasonForm
from lsml.console.progress import job_progress
from lsml.jobs import services
from lsml.jobs.errors import JobError
from lsml.jobs.kinds import JobKind, kind_named, kind_of
from lsml.jobs.models import Job
from lsml.observability.origin import requester

_PERMISSIONS: Final[dict[str, Permission]] = {
    "training": "operate",
    "prediction": "operate",
    "evaluation": "operate",
    "audit": "export",
}
_CONSEQUENCES: Final = {
    "training": gettext_lazy(
        "A running training stops at its next progress report. Its events go back to"
        " the inbox; the next run takes them."
    ),
    "prediction": gettext_lazy(
        "The job stops after the current step. Predictions already made are kept."
    ),
    "evaluation": gettext_lazy(
        "The evaluation stops. Unless another one passes, or a person promotes it, its"
        " version is not promoted."
    ),
    "audit": gettext_lazy("The job stops. You can start it again at any time."),
}


def job_context(request: HttpRequest, job: Job) -> dict[str, Any]:
    """Return the progress of a job, and which buttons this person may use."""
    kind = kind_of(job)
    active = job.state in Job.ACTIVE
    allowed = may(request.user, _PERMISSIONS[kind.name])
    return {
        **job_progress(job),
        "may_cancel": allowed and active and job.cancel_requested_at is None,
        "may_retry": allowed and kind.may_retry(job),
    }


@needs("read")
def progress(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Render the progress of a job; `?brief=1` leaves out log and curves."""
    job = _job(_kind(kind), pk)
    context = job_progress(job, brief="brief" in request.GET)
    return render(request, "console/fragments/job.html", context)


@needs("read")
def cancel(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Request the cancellation of a job, with a reason."""
    found = _kind(kind)
    _require(request, found)
    job = _job(found, pk)
    form = ReasonForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        context = {
            "title": _("Cancel %s") % job,
            "button": _("Cancel the job"),
            "consequence": _CONSEQUENCES[kind],
            "form": form,
            "back": page_of(job),
            "danger": True,
        }
        return page(request, "console/confirm.html", context)
    try:
        services.request_cancel(
            job,
            reason=form.cleaned_data["reason"],
            **requester(request),
        )
    except JobError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Cancellation requested."))
    return redirect(page_of(job))


@needs("read")
def retry(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Start a new job for what this one did not finish."""
    found = _kind(kind)
    _require(request, found)
    job = _job(found, pk)
    if request.method != "POST":
        return redirect(page_of(job))
    try:
        fresh = services.retry(
            job,
            **requester(request),
        )
    except JobError as refused:
        messages.error(request, str(refused))
        return redirect(page_of(job))
    messages.success(request, _("%s is waiting for a worker.") % fresh)
    return redirect(page_of(fresh))


def _kind(name: str) -> JobKind[Any]:
    try:
        return kind_named(name)
    except KeyError:
        raise Http404 from None


def _job(kind: JobKind[Any], pk: int) -> Job:
    job: Job = get_object_or_404(kind.model, pk=pk)
    return job


def _require(request: HttpRequest, kind: JobKind[Any]) -> None:
    if not may(request.user, _PERMISSIONS[kind.name]):
        raise PermissionDenied
