"""What every page needs: a permission, and the frame of the admin."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse

from lsml.access.roles import Permission, may
from lsml.quality.budget import ReportBusy
from lsml.registry.models import ModelVersion, Project

View = Callable[..., HttpResponseBase]


def needs(permission: Permission) -> Callable[[View], View]:
    """Answer 403 to a user without this permission."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(
            request: HttpRequest, *args: Any, **kwargs: Any
        ) -> HttpResponseBase:
            if not may(request.user, permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return guard


def page(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> TemplateResponse:
    """Render a page in the frame of the admin.

    Args:
        request: The page's.
        template: Its name.
        context: Of the template. `image_origins`: where this page, and no other, may
            load images from.
        status: Of the answer.
    """
    frame = admin.site.each_context(request)
    request.current_app = admin.site.name
    answer = TemplateResponse(request, template, frame | context, status=status)
    if origins := context.get("image_origins"):
        answer._csp_update = {"img-src": origins}  # type: ignore[attr-defined]
    return answer


def shows_report(view: View) -> View:
    """Say that a report must wait, with a link to try again, if another goes on."""

    @wraps(view)
    def answered(request: HttpRequest, pk: int) -> HttpResponseBase:
        try:
            return view(request, pk)
        except ReportBusy as busy:
            context = {
                "title": str(busy),
                "project": get_object_or_404(Project, pk=pk),
                "again": request.get_full_path(),
            }
            answer = page(request, "console/busy.html", context, status=503)
            answer["Retry-After"] = str(busy.retry_after_s)
            return answer

    return answered


def version_or_404(project: Project, name: str) -> ModelVersion:
    """Return a version of a project by its name."""
    if "\0" in name:  # PostgreSQL refuses a query with a NUL
        raise Http404
    versions = ModelVersion.objects.select_related("project")
    return get_object_or_404(versions, project=project, version=name)
