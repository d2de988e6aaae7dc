"""Traces requests, if OpenTelemetry is on; otherwise Django leaves this out."""

from collections.abc import Callable
from http import HTTPStatus

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from lsml.api.monitoring import QUIET, endpoint_of
from lsml.observability import tracing
from lsml.observability.access_log import facts_of
from lsml.observability.requests import request_id_of

_View = Callable[[HttpRequest], HttpResponseBase]


class TracingMiddleware:
    """Makes each request the beginning of a trace, but for health checks and the like.

    Neither the path nor the query is in it, only the endpoint.
    """

    def __init__(self, get_response: _View) -> None:
        if not tracing.is_on():
            raise MiddlewareNotUsed
        from opentelemetry.trace import StatusCode  # not installed if tracing is off

        self.failed = StatusCode.ERROR
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        endpoint = endpoint_of(request)
        if endpoint in QUIET:
            return self.get_response(request)
        name = f"{request.method} /{endpoint}"
        with tracing.request(name, request_id_of(request)) as span:
            response = self.get_response(request)
            if span is None:  # OpenTelemetry does not start
                return response
            span.set_attribute("http.request.method", request.method)
            span.set_attribute("http.response.status_code", response.status_code)
            for fact, value in facts_of(request).items():
                span.set_attribute(f"lsml.{fact}", value)
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                span.set_status(self.failed)
        return response
