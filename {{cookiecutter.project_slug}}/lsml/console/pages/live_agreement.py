"""Live agreement of the served version and the one before it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from lsml.console.pages.base import needs, page
from lsml.quality.live.services import DAYS, live_quality, served_and_former
from lsml.registry.models import Project


@needs("read")
def live_agreement(request: HttpRequest, pk: int) -> HttpResponse:
    """Show it as a whole, by control and by annotator."""
    projects = Project.objects.select_related("active_version")
    project = get_object_or_404(projects, pk=pk)
    found = live_quality(project, served_and_former(project))
    context = {
        "title": _("Live agreement of %(project)s") % {"project": project},
        "project": project,
        "versions": [each for each in found if each.annotations],
        "days": DAYS,
    }
    return page(request, "console/live_agreement.html", context)
