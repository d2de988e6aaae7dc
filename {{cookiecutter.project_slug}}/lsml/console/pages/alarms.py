"""Where an alarm leads to, and acknowledging it."""

from collections.abc import Callable
from typing import Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from lsml.audit.models import Seal
from lsml.console.links import list_of, page_of
from lsml.console.pages.base import needs
from lsml.observability.origin import requester
from lsml.quality.alarms.acknowledging import NotAcknowledged, acknowledge
from lsml.quality.models import Alarm
from lsml.registry.models import Project
from lsml.training.models import TrainingRun

_PLACES: Final[dict[str, Callable[[Alarm], str]]] = {
    Alarm.Kind.FAILING_PREDICTIONS: lambda alarm: reverse(
        "admin:console_errors", args=[alarm.project_id]
    ),
    Alarm.Kind.FAILED_RUN: lambda alarm: list_of(
        TrainingRun, project=alarm.project_id, state=TrainingRun.State.FAILED
    ),
    Alarm.Kind.DRIFT: lambda alarm: reverse(
        "admin:console_drift", args=[alarm.project_id]
    ),
    Alarm.Kind.SEALING_LATE: lambda _: list_of(Seal),
    Alarm.Kind.MODEL_PROCESS_DOWN: lambda _: reverse("admin:console_models"),
}


class AcknowledgeForm(forms.Form):
    """The reason, which may be empty; recorded in the audit log."""

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "c-input"}),
        help_text=_("Optional. Recorded in the audit log."),
    )


def place_of(alarm: Alarm) -> str:
    """Return the address of the page that shows what is wrong."""
    if alarm.kind in _PLACES:
        return _PLACES[alarm.kind](alarm)
    if alarm.project_id:
        return page_of(Project, alarm.project_id)
    return page_of(alarm) if alarm.pk else reverse("admin:index")


@needs("operate")
def acknowledge_alarm(request: HttpRequest, pk: int) -> HttpResponse:
    """Acknowledge an alarm, from the home page or its own."""
    alarm = get_object_or_404(Alarm, pk=pk)
    form = AcknowledgeForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return redirect(page_of(alarm))
    try:
        acknowledge(alarm, reason=form.cleaned_data["reason"], **requester(request))
    except NotAcknowledged as refused:
        messages.warning(request, str(refused))
    else:
        messages.success(
            request, _("Acknowledged. It stays until its condition is gone.")
        )
    return redirect("admin:index")
