"""Errors to status codes: one JSON shape, a request id, never a traceback.

`{"detail": sentence, "code": word, "field": path or null, "request_id": id}`
"""

import sys
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from lsml.inference.errors import ModelBusy, ModelError
from lsml.labelstudio.errors import WireError
from lsml.observability.requests import request_id_of
from lsml.registry.errors import RegistryError, UnknownProject, UnknownVersion
from lsml.registry.model_class import ModelClassError

log = structlog.get_logger(__name__)

_DATABASE_AWAY = (
    "The database does not answer, so nothing was done. Try again in a moment."
)
_UNEXPECTED = (
    "Something went wrong here, not in your request."
    " The service's log has the details under this request id."
)


def answer_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a view raised into the one error shape (DRF's EXCEPTION_HANDLER)."""
    set_rollback()
    request = context["request"]
    status, code, detail, field, headers = _describe(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request failed", code=code, error=detail, exc_info=_trace(error))
    body = _body(request, detail=detail, code=code, field=field)
    return Response(body, status=status, headers=headers)


# Errors whose own message is the answer; the first kind that fits counts.
_OURS: dict[type[Exception], tuple[int, str]] = {
    RequestDataTooBig: (413, "too_large"),
    ModelError: (500, "model_error"),
    ModelClassError: (500, "model_error"),
    UnknownProject: (404, "unknown"),
    UnknownVersion: (404, "unknown"),
    RegistryError: (409, "refused"),
}
_Description = tuple[int, str, str, str | None, dict[str, str]]


def _describe(error: Exception) -> _Description:
    """Status, code, sentence, field and headers for one error."""
    match error:
        case WireError():
            return 400, "invalid", str(error), error.field, {}
        case ModelBusy():
            wait = {"Retry-After": str(error.retry_after_s)}
            return 503, "model_busy", str(error), None, wait
        case OperationalError() | InterfaceError():
            return 503, "database_away", _DATABASE_AWAY, None, {"Retry-After": "2"}
        case exceptions.APIException():
            return _describe_drf(error)
    for kind, (status, code) in _OURS.items():
        if isinstance(error, kind):
            return status, code, str(error), None, {}
    return 500, "unexpected", _UNEXPECTED, None, {}


def _describe_drf(error: exceptions.APIException) -> _Description:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    detail, field = error.detail, None
    while isinstance(detail, dict | list):  # a serializer's: name its first field
        if isinstance(detail, dict):
            key, detail = next(iter(detail.items()))
            field = str(key) if field is None else f"{field}.{key}"
        else:
            detail = detail[0]
    code = str(getattr(detail, "code", error.default_code))
    return error.status_code, code, str(detail), field, headers


def _trace(error: Exception) -> Exception | None:
    """The traceback goes to the log; a busy model is no fault worth one."""
    return None if isinstance(error, ModelBusy) else error


def _body(
    request: Any, *, detail: str, code: str, field: str | None = None
) -> dict[str, str | None]:
    return {
        "detail": detail,
        "code": code,
        "field": field,
        "request_id": request_id_of(request),
    }


# --- What Django answers outside a REST view ---


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request Django itself refuses, such as one for a host not allowed."""
    if request.path.startswith("/admin/"):
        return defaults.bad_request(request, exception)
    name = request.META.get("HTTP_HOST", "")
    detail = f"{str(exception) or 'The request was refused.'} (Host: {name[:100]})"
    return JsonResponse(_body(request, detail=detail, code="bad_request"), status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A page this person may not see."""
    if request.path.startswith("/admin/"):
        return defaults.permission_denied(request, exception)
    body = _body(request, detail="You may not do this.", code="forbidden")
    return JsonResponse(body, status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """An address that nothing is served at."""
    if request.path.startswith("/admin/"):
        return defaults.page_not_found(request, exception)
    detail = f"Nothing is served at {request.path[:200]}."
    return JsonResponse(_body(request, detail=detail, code="not_found"), status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """What no view caught: a bug, or the database away."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        body = _body(request, detail=_DATABASE_AWAY, code="database_away")
        return JsonResponse(body, status=503, headers={"Retry-After": "2"})
    if request.path.startswith("/admin/"):
        return defaults.server_error(request)
    return JsonResponse(
        _body(request, detail=_UNEXPECTED, code="unexpected"), status=500
    )
