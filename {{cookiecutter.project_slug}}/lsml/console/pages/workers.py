"""The fragment that shows which workers answer."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from lsml.console.pages.base import needs
from lsml.jobs.workers import BROKER_ERRORS, answering_workers
from lsml.labelstudio.secrets import masked_text
from lsml.training.models import TrainingRun


@needs("read")
def workers(request: HttpRequest) -> HttpResponse:
    """Ping the workers through the broker.

    Not part of the home page itself, which would have to wait for the answers.
    """
    queued = TrainingRun.objects.filter(state=TrainingRun.State.QUEUED).count()
    context: dict[str, Any] = {"queued": queued}
    try:
        context["names"] = sorted(answering_workers())
    except BROKER_ERRORS as error:
        context["error"] = masked_text(str(error))[:200]
    return render(request, "console/fragments/workers.html", context)
