"""Who may open a page, and the frame every page has."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse

from lsml.access.roles import Permission, may

View = Callable[..., HttpResponseBase]


def needs(permission: Permission) -> Callable[[View], View]:
    """Refuse a person without this permission, whatever buttons the page showed."""

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
    """A page in the admin's frame."""
    frame = admin.site.each_context(request)
    request.current_app = admin.site.name
    return TemplateResponse(request, template, frame | context, status=status)
