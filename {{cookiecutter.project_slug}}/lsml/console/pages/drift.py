"""Drift: how the latest tasks and predictions differ from the training snapshot."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from lsml.console.pages.base import needs, page
from lsml.quality.drift.services import latest_check, why_not_checked
from lsml.quality.live.expected import expected_of
from lsml.quality.live.services import DAYS, live_quality
from lsml.registry.models import Project


@needs("read")
def drift(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the latest check of the served version, beside its live agreement."""
    projects = Project.objects.select_related("active_version")
    project = get_object_or_404(projects, pk=pk)
    [live] = live_quality(project, [project.served_version])
    check = latest_check(project)
    context = {
        "title": _("Drift in %(project)s") % {"project": project},
        "project": project,
        "version": project.served_version,
        "check": check,
        "not_checked": "" if check else why_not_checked(project),
        "live": live,
        "days": DAYS,
        "expected": expected_of(project, live),
    }
    return page(request, "console/drift.html", context)
