"""The fragment that shows which workers answer."""

from typing import Any

from celery import current_app
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from kombu.exceptions import OperationalError

from lsml.console.pages.base import needs
from lsml.training.models import TrainingRun

_WAIT_S = 0.7  # a live worker answers within a few milliseconds


@needs("read")
def workers(request: HttpRequest) -> HttpResponse:
    """Ping the workers through the broker.

    Not part of the home page itself, which would have to wait for the answers.
    """
    queued = TrainingRun.objects.filter(state=TrainingRun.State.QUEUED).count()
    context: dict[str, Any] = {"queued": queued}
    try:
        answers = current_app.control.ping(timeout=_WAIT_S)
        context["names"] = sorted(name for answer in answers for name in answer)
    except (OperationalError, OSError) as error:
        context["error"] = str(error)[:200]
    return render(request, "console/fragments/workers.html", context)
