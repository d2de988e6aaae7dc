"""What failed in a project, grouped: the table of all pages that show it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from lsml.audit.models import Prediction
from lsml.console.links import list_of
from lsml.console.pages.base import needs, page
from lsml.quality.models import ErrorGroup
from lsml.registry.models import Project


@needs("read")
def errors(request: HttpRequest, pk: int) -> HttpResponse:
    """List all groups of a project, the latest first."""
    project = get_object_or_404(Project, pk=pk)
    groups = ErrorGroup.objects.filter(project=project)
    context = {
        "title": _("Errors of %(project)s") % {"project": project},
        "project": project,
        "groups": groups.order_by("-last_seen_at", "-pk"),
        "predictions": list_of(Prediction, project=pk, outcome="error"),
    }
    return page(request, "console/errors.html", context)
