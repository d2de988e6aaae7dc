"""Probes for orchestrators. They need no credentials and reveal no details."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from lsml.api.handlers import method_not_allowed
from lsml.observability.requests import remember_error

_View = Callable[[HttpRequest], HttpResponse]


def _safe(probe: _View) -> _View:
    """Refuse other methods than GET and HEAD, as all endpoints do."""

    @wraps(probe)
    def answer(request: HttpRequest) -> HttpResponse:
        if request.method in {"GET", "HEAD"}:
            return probe(request)
        return method_not_allowed(request, allowed="GET, HEAD")

    return answer


@_safe
def live(request: HttpRequest) -> HttpResponse:
    """Report that this process answers. No other server is checked.

    Otherwise an outage of the database would restart every process.
    """
    text = "draining\n" if _is_draining() else "alive\n"
    return HttpResponse(text, content_type="text/plain")


@_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Report whether to send requests here: the database answers and has our tables.

    The broker is not checked: without it nothing is lost, training only starts later.
    """
    if _is_draining():
        return HttpResponse("draining\n", status=503, content_type="text/plain")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('training_inboxentry') IS NOT NULL")
            migrated = cursor.fetchone()[0]
    except DatabaseError as error:
        remember_error(request, error)
        migrated = False
    if not migrated:
        return HttpResponse("not ready\n", status=503, content_type="text/plain")
    return HttpResponse("ready\n", content_type="text/plain")


def _is_draining() -> bool:
    """Return whether a proxy should send no more requests here."""
    return bool(settings.DRAIN_FILE) and Path(settings.DRAIN_FILE).exists()
