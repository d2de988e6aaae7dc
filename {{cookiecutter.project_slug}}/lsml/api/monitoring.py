"""Times and counts requests by endpoint, and writes the access log."""

import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern

from lsml.api.urls import urlpatterns
from lsml.labelstudio.secrets import masked_text
from lsml.observability import metrics
from lsml.observability.access_log import access_logger, facts_of
from lsml.observability.requests import request_id_of

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
# What is asked for all the time, or beside a page. It is logged if it fails.
QUIET: Final = frozenset({"health", "live", "ready", "metrics", "static"})
_PATH_CHARS_MAX: Final = 200


def endpoint_of(request: HttpRequest) -> str:
    """Return the endpoint that a request is for, `other` if there is none."""
    segment = request.path_info.lstrip("/").partition("/")[0]
    return _ENDPOINTS.get(segment, _OTHER)


class MonitoringMiddleware:
    """Times, counts and logs each request from when a thread takes it to its answer.

    What gunicorn's worker refuses before, such as a malformed header, is not seen here.
    """

    def __init__(self, get_response: _View) -> None:
        self.get_response = get_response
        self.series: dict[tuple[str, int], Any] = {}
        self.log = access_logger(settings.LOG_FORMAT)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - started
        status = response.status_code
        endpoint = endpoint_of(request)
        self._count(endpoint, status // 100, seconds)
        if endpoint not in QUIET or status >= HTTPStatus.BAD_REQUEST:
            self._log(request, endpoint, status, seconds)
        return response

    def _count(self, endpoint: str, status: int, seconds: float) -> None:
        key = endpoint, status
        series = self.series.get(key)
        if series is None:  # finding it takes longer than counting
            series = metrics.requests.labels(endpoint, f"{status}xx")
            self.series[key] = series
        series.observe(seconds)

    def _log(
        self, request: HttpRequest, endpoint: str, status: int, seconds: float
    ) -> None:
        path = request.path
        if path != f"/{endpoint}":  # somebody may have put a secret into it
            path = masked_text(path[:_PATH_CHARS_MAX])
        with suppress(OSError):  # such as a full disk: the answer is sent all the same
            self.log.info(
                "request",
                request_id=request_id_of(request),
                method=request.method,
                path=path,
                status=status,
                ms=round(seconds * 1000, 1),
                **facts_of(request),
            )
