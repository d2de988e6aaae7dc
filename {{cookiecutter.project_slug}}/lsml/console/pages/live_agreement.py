"""The page of live agreement: with predictions that annotators saw, and did not see."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from lsml.console.pages.base import needs, page
from lsml.quality.live.services import DAYS, live_quality, served_and_former
from lsml.quality.live.watching import drops
from lsml.registry.models import Project


@needs("read")
def live_agreement(request: HttpRequest, pk: int) -> HttpResponse:
    """Show that of the served version and of the one before; by control and person."""
    projects = Project.objects.select_related("active_version")
    project = get_object_or_404(projects, pk=pk)
    found = live_quality(project, served_and_former(project))
    context = {
        "title": _("Live agreement of %(project)s") % {"project": project},
        "project": project,
        "days": DAYS,
        "versions": [each for each in found if each.annotations or each.not_shown],
        "drops": drops(project),
    }
    return page(request, "console/live_agreement.html", context)
