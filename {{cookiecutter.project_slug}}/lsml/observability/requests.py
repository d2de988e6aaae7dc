"""One id and one client name per request, on its rows, its log lines and its answer.

And the one place that logs a request the service failed to answer.
"""

import re
import sys
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

import structlog
from django.conf import settings
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse

log = structlog.get_logger(__name__)

# What a proxy may hand us: short, and harmless in a header, a log line and a page.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{8,64}")
_ERROR = "lsml.error"  # in META, until the request's line is written


class RequestIdMiddleware:
    """Give each request an id, or keep the one that a trusted proxy gave it.

    As the outermost middleware it sees every answer, so it logs each one with a status
    of 500 or more: one ERROR line, with the traceback of the exception behind it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        got_request_exception.connect(_remember_uncaught, dispatch_uid="lsml.requests")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = _given_id(request) or uuid4().hex
        request.META["lsml.request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            _log_server_error(request, response)
        response["X-Request-ID"] = request_id
        return response


def request_id_of(request: HttpRequest) -> str:
    """The id this request's rows, log lines and answer share; 8 to 64 characters."""
    # A request that a test or a command made up went through no middleware.
    request_id: str = request.META.get("lsml.request_id", "no-request")
    return request_id


def remember_error(request: Any, error: BaseException | None) -> None:
    """Keep the exception behind an answer of 500 or more for its line in the log.

    Only code that turns an exception into such an answer by itself calls this; Django
    reports the others.

    Args:
        request: Django's, or REST framework's around it.
        error: with its traceback.
    """
    request.META[_ERROR] = error


def address_of(request: HttpRequest) -> str:
    """The client's address; behind a trusted proxy, the one the proxy saw."""
    peer: str = request.META.get("REMOTE_ADDR") or "unix"
    if peer in settings.TRUSTED_PROXIES:
        forwarded: str = request.META.get("HTTP_X_FORWARDED_FOR", "")
        # The last entry is the proxy's own word; those before it are the client's.
        return forwarded.rsplit(",", 1)[-1].strip()[:45] or peer
    return peer


def login_address(request: HttpRequest) -> str:
    """What the login's throttle counts by; a unix socket's peer is this machine."""
    address = address_of(request)
    try:
        return str(ip_address(address))
    except ValueError:
        return "127.0.0.1"


def _remember_uncaught(request: HttpRequest, **_: Any) -> None:
    remember_error(request, sys.exc_info()[1])


def _log_server_error(request: HttpRequest, response: HttpResponse) -> None:
    # Taken out, as the traceback's frames refer to the request in turn.
    error = request.META.pop(_ERROR, None)
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error(
            "request failed",
            method=request.method,
            path=request.path[:200],
            status=response.status_code,
            exc_info=error,
        )


def _given_id(request: HttpRequest) -> str | None:
    if request.META.get("REMOTE_ADDR") not in settings.TRUSTED_PROXIES:
        return None
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else None
