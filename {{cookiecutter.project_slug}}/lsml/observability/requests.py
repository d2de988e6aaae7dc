"""One id and one client name per request, on its rows, its log lines and its answer."""

import re
from collections.abc import Callable
from ipaddress import ip_address
from uuid import uuid4

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

# What a proxy may hand us: short, and harmless in a header, a log line and a page.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{8,64}")


class RequestIdMiddleware:
    """Give each request an id, or keep the one that a trusted proxy gave it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = _given_id(request) or uuid4().hex
        request.META["lsml.request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


def request_id_of(request: HttpRequest) -> str:
    """The id this request's rows, log lines and answer share; 8 to 64 characters."""
    # A request that a test or a command made up went through no middleware.
    request_id: str = request.META.get("lsml.request_id", "no-request")
    return request_id


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


def _given_id(request: HttpRequest) -> str | None:
    if request.META.get("REMOTE_ADDR") not in settings.TRUSTED_PROXIES:
        return None
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else None
