"""Promotes and rolls back: shows the change, asks for a reason, calls the service."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext_lazy as _

from lsml.console.links import page_of
from lsml.console.pages.base import needs, page, version_or_404
from lsml.console.pages.metrics import compared
from lsml.inference import promotion
from lsml.observability.origin import requester
from lsml.quality.models import Evaluation
from lsml.registry.errors import NothingToRollBackTo, RegistryError
from lsml.registry.models import ModelVersion, Project, Promotion
from lsml.registry.versions import version_before

_TEMPLATE = "console/promote.html"


class ReasonForm(forms.Form):
    """The reason for an action; recorded in the audit log."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True, "class": "c-input"}),
        help_text=_("Recorded in the audit log."),
    )


@needs("operate")
def promote(request: HttpRequest, pk: int) -> HttpResponse:
    """Promote the version in `?version=`; without a name, the untrained model."""
    project = _project(pk)
    name = request.GET.get("version", "")
    version = version_or_404(project, name) if name else None
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _done(
            request,
            project,
            lambda: promotion.promote_loaded(
                project=project,
                version=version,
                reason=form.cleaned_data["reason"],
                **requester(request),
            ),
        )
    title = _("Promote %(version)s") % {"version": name or _("the untrained model")}
    return page(request, _TEMPLATE, _context(project, version, form, title))


@needs("operate")
def roll_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Roll back to the version that was served before."""
    project = _project(pk)
    try:
        earlier = version_before(project)
    except NothingToRollBackTo:
        messages.warning(
            request, _("No version was promoted yet, so there is none to roll back to.")
        )
        return redirect(page_of(project))
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _done(
            request,
            project,
            lambda: promotion.roll_back(
                project=project,
                reason=form.cleaned_data["reason"],
                **requester(request),
            ),
        )
    context = _context(project, earlier, form, _("Roll back"))
    return page(request, _TEMPLATE, context)


def _done(
    request: HttpRequest, project: Project, change: Callable[[], Promotion]
) -> HttpResponse:
    try:
        promoted = change()
    except RegistryError as refused:
        messages.error(request, str(refused))
    else:
        served = promoted.to_version
        messages.success(
            request,
            _("All processes serve %(version)s from the next request on.")
            % {"version": served.version if served else _("the untrained model")},
        )
    return redirect(page_of(project))


def _project(pk: int) -> Project:
    return get_object_or_404(Project.objects.select_related("active_version"), pk=pk)


def _context(
    project: Project, version: ModelVersion | None, form: ReasonForm, title: Any
) -> dict[str, Any]:
    now = project.active_version
    return {
        "title": title,
        "project": project,
        "now": now,
        "then": version,
        "metrics": compared(
            now.metrics if now else {}, version.metrics if version else {}
        ),
        "held_back": _held_back(version) if version else None,
        "form": form,
        "back": page_of(project),
    }


def _held_back(version: ModelVersion) -> Evaluation | None:
    """Return the latest evaluation of a version if its verdict was against it."""
    ended: Any = version.evaluations.exclude(verdict="").defer("log", "task_scores")
    latest: Evaluation | None = ended.order_by("-pk").first()
    if latest and latest.verdict == Evaluation.Verdict.HELD_BACK:
        return latest
    return None
