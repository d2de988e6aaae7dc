"""Small pieces of HTML that pages ask for again and again while they are seen."""

from typing import Any

from celery import current_app
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from lsml.console.links import page_of
from lsml.console.origin import origin_of
from lsml.console.pages.access import needs
from lsml.console.pages.run import curves, last_log
from lsml.inference.bulk import cancel_job
from lsml.inference.errors import JobRefused
from lsml.inference.models import PredictionJob
from lsml.training.models import TrainingRun

_PATIENCE_S = 0.7  # workers that live answer within a few milliseconds


@needs("read")
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a run is; `?brief=1` without log and curves."""
    run = get_object_or_404(TrainingRun, pk=pk)
    context: dict[str, Any] = {"run": run, "brief": "brief" in request.GET}
    if not context["brief"]:
        context |= {"chart": curves(run), "log": last_log(run)}
    return render(request, "console/fragments/progress.html", context)


@needs("read")
def workers(request: HttpRequest) -> HttpResponse:
    """Which workers answer, asked through the broker; apart, since it takes a while."""
    queued = TrainingRun.objects.filter(state=TrainingRun.State.QUEUED).count()
    context: dict[str, Any] = {"queued": queued}
    try:
        answers = current_app.control.ping(timeout=_PATIENCE_S)
        context["names"] = sorted(name for answer in answers for name in answer)
    except (OperationalError, OSError) as error:
        context["error"] = str(error)[:200]
    return render(request, "console/fragments/workers.html", context)


@needs("read")
def job(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a bulk prediction is."""
    found = get_object_or_404(PredictionJob, pk=pk)
    return render(request, "console/fragments/job.html", {"job": found})


@require_POST
@needs("operate")
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a bulk prediction; what it predicted stays."""
    found = get_object_or_404(PredictionJob, pk=pk)
    try:
        cancel_job(
            job=found,
            actor=request.user.get_username(),
            reason="",
            origin=origin_of(request),
        )
    except JobRefused as refused:
        messages.error(request, str(refused))
    return redirect(page_of(found))
