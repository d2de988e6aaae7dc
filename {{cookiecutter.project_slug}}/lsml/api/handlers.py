"""Error answers outside REST views: JSON for programs, a page for people.

config/urls.py and the settings refer to them. A page is rendered without the request,
so that it needs neither the database nor a session, which may be what failed.
"""

import sys
from typing import Any

from csp.utils import build_policy
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import is_valid_path
from django.utils.translation import gettext as _

from lsml.api.errors import DATABASE_AWAY, UNEXPECTED, error_body
from lsml.observability.requests import request_id_of


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django refuses, for example for a host not allowed."""
    if _wants_page(request):
        return _page(
            request,
            status=400,
            title=_("Request refused"),
            sentence=_("The service could not accept what the browser sent."),
            advice=_(
                "Check the address and its host name: the service answers only"
                " under the names listed in ALLOWED_HOSTS."
            ),
        )
    name = request.META.get("HTTP_HOST", "")
    detail = f"{str(exception) or 'The request was refused.'} (Host: {name[:100]})"
    body = error_body(request, detail=detail, code="bad_request")
    return JsonResponse(body, status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that this person's account does not permit."""
    if _wants_page(request):
        return _page(
            request,
            status=403,
            title=_("Not allowed"),
            sentence=_("Your account may not open this page or do this."),
            advice=_("Ask an administrator for a role that includes it."),
        )
    body = error_body(request, detail="You may not do this.", code="forbidden")
    return JsonResponse(body, status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form without a valid CSRF token (CSRF_FAILURE_VIEW), in the admin."""
    return _page(
        request,
        status=403,
        title=_("Form expired"),
        sentence=_("The form could not be checked, so nothing was changed."),
        advice=_(
            "Allow cookies, go back, reload the page and send the form again."
            " If that fails every time, the operator must add this site's address"
            " to CSRF_TRUSTED_ORIGINS."
        ),
    )


def locked_out(
    request: HttpRequest,
    response: HttpResponse | None = None,
    credentials: dict[str, Any] | None = None,
) -> HttpResponse:
    """Answer a login after too many wrong passwords (AXES_LOCKOUT_CALLABLE)."""
    if not _wants_page(request):
        detail = "Too many wrong passwords for this user name. Try again later."
        body = error_body(request, detail=detail, code="locked_out")
        return JsonResponse(body, status=429)
    return _page(
        request,
        status=429,
        title=_("Too many wrong passwords"),
        sentence=_("Logins with this user name from here are blocked for a while."),
        advice=_(
            "Try again later. An operator with a shell on the server can unblock them:"
            " python manage.py axes_reset"
        ),
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request for an unknown address."""
    if _wants_page(request):
        return _page(
            request,
            status=404,
            title=_("Page not found"),
            sentence=_("There is no page at this address."),
            advice=_("Check the address, or start from the home page."),
        )
    detail = f"Nothing is served at {request.path[:200]}."
    body = error_body(request, detail=detail, code="not_found")
    return JsonResponse(body, status=404)


def method_not_allowed(request: HttpRequest, *, allowed: str) -> HttpResponse:
    """Answer a method that an address does not have."""
    detail = f'Method "{request.method}" not allowed.'
    body = error_body(request, detail=detail, code="method_not_allowed")
    return JsonResponse(body, status=405, headers={"Allow": allowed})


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an exception that no view handled: a bug or a missing database."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    answer = _database_away if away else _unexpected
    return answer(request)


def _database_away(request: HttpRequest) -> HttpResponse:
    answer: HttpResponse
    if _wants_page(request):
        answer = _page(
            request,
            status=503,
            title=_("Database not available"),
            sentence=_("The database does not answer; your change may not be saved."),
            advice=_("Try again in a moment."),
        )
    else:
        body = error_body(request, detail=DATABASE_AWAY, code="database_away")
        answer = JsonResponse(body, status=503)
    answer["Retry-After"] = "2"
    return answer


def _unexpected(request: HttpRequest) -> HttpResponse:
    if _wants_page(request):
        return _page(
            request,
            status=500,
            title=_("Something went wrong"),
            sentence=_("The service failed. You did nothing wrong."),
            advice=_(
                "Try again. If it fails again, give the request ID to the operator,"
                " who finds the details under it in the service's log."
            ),
        )
    body = error_body(request, detail=UNEXPECTED, code="unexpected")
    return JsonResponse(body, status=500)


def _wants_page(request: HttpRequest) -> bool:
    """Whether a person reads the answer: in the admin, or at an unknown address."""
    path = request.path_info
    if path.startswith("/admin/"):
        return True
    served_as_json = path.startswith("/api/") or is_valid_path(path)
    return "text/html" in request.headers.get("Accept", "") and not served_as_json


def _page(
    request: HttpRequest, *, status: int, title: str, sentence: str, advice: str
) -> HttpResponse:
    context = {
        "status": status,
        "title": title,
        "sentence": sentence,
        "advice": advice,
        "request_id": request_id_of(request),
    }
    return HttpResponse(
        render_to_string("console/error.html", context),
        status=status,
        # A host that is not allowed is refused before CSPMiddleware sees the request.
        headers={"Content-Security-Policy": build_policy()},
    )
