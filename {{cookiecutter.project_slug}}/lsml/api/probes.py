"""Probes for orchestrators. They need no credentials and reveal no details."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from lsml.observability.requests import remember_error


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Report that this process answers. No other server is checked.

    Otherwise an outage of the database would restart every process.
    """
    return HttpResponse("alive\n", content_type="text/plain")


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Report whether the database answers and has our tables.

    The broker is not checked: without it nothing is lost, training only starts later.
    """
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
