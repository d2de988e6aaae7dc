"""The page of a version in shadow: start, compare, stop."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lsml.console.links import page_of
from lsml.console.pages.base import needs, page, shows_report
from lsml.console.pages.evaluation import by_control, by_label
from lsml.console.pages.promotion import ReasonForm
from lsml.observability.origin import requester
from lsml.quality.budget import one_report
from lsml.quality.shadow import ShadowReport, shadow_report
from lsml.registry.errors import ShadowRefused
from lsml.registry.models import ModelVersion
from lsml.registry.promotion_policy import WITHOUT_COMPARISON
from lsml.registry.shadow import start_shadow, stop_shadow


class StartForm(ReasonForm):
    """The share of the tasks, and the reason."""

    percent = forms.IntegerField(
        label=gettext_lazy("Percent of the tasks"),
        min_value=1,
        max_value=100,
        widget=forms.NumberInput(attrs={"class": "c-input"}),
    )


@needs("operate")
@shows_report
def shadow(request: HttpRequest, pk: int) -> HttpResponse:
    """Compare a version in shadow with the served one; start or stop it."""
    version = get_object_or_404(
        ModelVersion.objects.select_related(
            "project__active_version", "project__shadow_version"
        ),
        pk=pk,
    )
    running = version.project.shadow_version_id == version.pk
    initial = {"percent": version.project.shadow_percent}
    form = (ReasonForm if running else StartForm)(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        return _change(request, version, form.cleaned_data, running=running)
    report = None
    if running:
        with one_report() as budget:
            report = shadow_report(version.project, budget=budget)
    policy = version.project.promotion_policy
    context = {
        "title": _("%(version)s in shadow") % {"version": version.version},
        "version": version,
        "project": version.project,
        "running": running,
        "report": report,
        "consequence": WITHOUT_COMPARISON.get(policy, ""),
        **(_figures(report) if report else {}),
        "form": form,
        "back": page_of(version),
    }
    return page(request, "console/shadow.html", context)


def _figures(report: ShadowReport) -> dict[str, Any]:
    """Return the scores of both versions, by control and by label."""
    new, old = report.figures["versions"]
    return {
        "new": new,
        "old": old,
        "controls": list(by_control(new, old)),
        "labels": list(by_label(new, old, "f1")),
    }


def _change(
    request: HttpRequest, version: ModelVersion, given: dict[str, Any], *, running: bool
) -> HttpResponse:
    change = stop_shadow if running else start_shadow
    try:
        change(version=version, **given, **requester(request))
    except ShadowRefused as refused:
        messages.error(request, str(refused))
    return redirect(page_of(version))
