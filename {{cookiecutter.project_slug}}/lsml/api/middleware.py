"""Separates Label Studio's requests from those of people."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern

from lsml.api.urls import urlpatterns

_View = Callable[[HttpRequest], HttpResponseBase]


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
