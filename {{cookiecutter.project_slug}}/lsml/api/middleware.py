"""Answers probes; refuses chunked bodies; separates programs from people."""

from collections.abc import Callable

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern

from lsml.api.errors import error_body
from lsml.api.probes import live, ready
from lsml.api.urls import urlpatterns

_View = Callable[[HttpRequest], HttpResponseBase]


class ProbesMiddleware:
    """Answers probes under any host name, because orchestrators ask by address."""

    def __init__(self, get_response: _View) -> None:
        self.get_response = get_response
        self.probes: dict[str, _View] = {"/live": live, "/ready": ready}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        probe = self.probes.get(request.path_info)
        return probe(request) if probe else self.get_response(request)


class LengthRequiredMiddleware:
    """Refuses a body without a length, which Django would take for an empty one."""

    def __init__(self, get_response: _View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "HTTP_TRANSFER_ENCODING" not in request.META:
            return self.get_response(request)
        detail = (
            "The body is sent in chunks, so its length is not known. Send it at once,"
            " with the header Content-Length."
        )
        body = error_body(request, detail=detail, code="length_required")
        return JsonResponse(body, status=411)


class ProgramsMiddleware:
    """Answers programs without the middleware that follows, which is for people.

    Programs have no session, language, form or login. The paths are those of
    lsml/api/urls.py; the operators' API has logins and is not among them.
    """

    def __init__(self, get_response: _View) -> None:
        self.get_response = get_response
        self.views: dict[str, _View] = {
            f"/{route.pattern}": route.callback
            for route in urlpatterns
            if isinstance(route, URLPattern)
        }

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = self.views.get(request.path_info)
        return view(request) if view else self.get_response(request)
