"""Times and counts requests, by endpoint and class of status."""

import time
from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern

from lsml.api.urls import urlpatterns
from lsml.observability import metrics

_View = Callable[[HttpRequest], HttpResponseBase]

# The first part of a path names the endpoint; a path that somebody made up must not add
# a time series. Label Studio's health checks ask "/" as well.
_ENDPOINTS: Final = {
    "": "health",
    **{name: name for name in ("admin", "api", "static")},
    **{
        str(route.pattern): str(route.pattern)
        for route in urlpatterns
        if isinstance(route, URLPattern) and str(route.pattern)
    },
}
_OTHER: Final = "other"


class MonitoringMiddleware:
    """Times and counts each request from when a thread takes it until it is answered.

    What gunicorn's worker refuses before, such as a malformed header, is not counted.
    """

    def __init__(self, get_response: _View) -> None:
        self.get_response = get_response
        self.series: dict[tuple[str, int], Any] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - started
        segment = request.path_info.lstrip("/").partition("/")[0]
        endpoint = _ENDPOINTS.get(segment, _OTHER)
        self._count(endpoint, response.status_code // 100, seconds)
        return response

    def _count(self, endpoint: str, status: int, seconds: float) -> None:
        key = endpoint, status
        series = self.series.get(key)
        if series is None:  # finding it takes longer than counting
            series = metrics.requests.labels(endpoint, f"{status}xx")
            self.series[key] = series
        series.observe(seconds)
