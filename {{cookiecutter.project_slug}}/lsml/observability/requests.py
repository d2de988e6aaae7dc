"""Gives each request an id and a client address, and logs answers of 500 and more.

The id appears in the request's audit rows, its log lines and its answer.
"""

import re
import sys
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from uuid import uuid4

import structlog
from django.conf import settings
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse

log = structlog.get_logger(__name__)

# Accepted from a proxy: short, and harmless in a header, a log line and a page.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{8,64}")
_ERROR = "lsml.error"  # key in META, until the request is logged


class RequestIdMiddleware:
    """Gives each request an id, or keeps the id that a trusted proxy set.

    As the outermost middleware it sees every answer. It logs each one with a status of
    500 or more as one ERROR line with the exception's traceback.
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
    """Return the request's id, 8 to 64 characters."""
    # A request that a test or a command created did not pass the middleware.
    request_id: str = request.META.get("lsml.request_id", "no-request")
    return request_id


def remember_error(request: Any, error: BaseException | None) -> None:
    """Keep the exception behind an answer of 500 or more for the log.

    Code that turns an exception into such an answer must call this. Django reports the
    exceptions that no code handles.

    Args:
        request: Django's or REST framework's.
        error: with its traceback.
    """
    request.META[_ERROR] = error


def address_of(request: HttpRequest) -> str:
    """Return the client's address; behind trusted proxies, the one they report."""
    address: str = request.META.get("REMOTE_ADDR") or "unix"
    # Each proxy added the address that it saw. What stands before the first one that a
    # trusted proxy added, the client could have written.
    forwarded: str = request.META.get("HTTP_X_FORWARDED_FOR", "")
    for reported in reversed(forwarded.split(",")):
        if not _is_trusted(address):
            break
        address = reported.strip()[:45] or address
    return address


def login_address(request: HttpRequest) -> str:
    """Return the IP address that failed logins are counted by.

    The peer of a Unix socket has no address; it counts as 127.0.0.1.
    """
    address = address_of(request)
    try:
        return str(ip_address(address))
    except ValueError:
        return "127.0.0.1"


def _remember_uncaught(request: HttpRequest, **_: Any) -> None:
    remember_error(request, sys.exc_info()[1])


def _log_server_error(request: HttpRequest, response: HttpResponse) -> None:
    # Removed from the request: the traceback's frames refer to the request (a cycle).
    error = request.META.pop(_ERROR, None)
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error(
            "request failed",
            method=request.method,
            path=request.path[:200],
            status=response.status_code,
            exc_info=error,
        )


def _is_trusted(address: str) -> bool:
    if not settings.TRUSTED_PROXIES:
        return False
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    # A server that listens on IPv6 as well sees 10.0.0.5 as ::ffff:10.0.0.5.
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in _network(proxy) for proxy in settings.TRUSTED_PROXIES)


@cache
def _network(proxy: str) -> IPv4Network | IPv6Network:
    return ip_network(proxy, strict=False)


def _given_id(request: HttpRequest) -> str | None:
    if not _is_trusted(request.META.get("REMOTE_ADDR", "")):
        return None
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else None
