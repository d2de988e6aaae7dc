"""Maps errors of REST views to status codes. Every error has the same JSON shape.

`{"detail": sentence, "code": word, "field": path or null, "request_id": id}`
A traceback is never sent.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import UnreadablePostError
from drf_orjson_renderer.renderers import ORJSONRenderer
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from lsml.audit.jobs import FileGone
from lsml.inference.errors import ModelBusy, ModelError, ModelTimedOut
from lsml.jobs.errors import JobError
from lsml.labelstudio.errors import BodyTooLarge, WireError
from lsml.model_process.errors import ModelProcessUnavailable
from lsml.observability.requests import remember_error, request_id_of
from lsml.quality.alarms.acknowledging import NotAcknowledged
from lsml.quality.budget import ReportBusy
from lsml.quality.suspicious.confirming import AnnotationChanged
from lsml.registry.errors import (
    RegistryError,
    StorageUnavailable,
    UnknownProject,
    UnknownVersion,
)
from lsml.registry.model_class import ModelClassError
from lsml.training.requests import JobGone

_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
DATABASE_AWAY = (
    "The database did not confirm that the request is stored. Try again in a moment."
)
_TOO_LARGE = (
    f"The body is larger than {settings.MAX_REQUEST_MB} MB. Send fewer tasks at a"
    " time, or raise MAX_REQUEST_MB."
)
_NOT_JSON = (
    "The body is not declared as JSON. Send the header Content-Type: application/json."
)
_TOO_SLOW = "The body did not arrive in time, so nothing was done. Send it again."
UNEXPECTED = (
    "The service failed; your request is not the cause."
    " The service's log has the details under this request id."
)


def answer_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception of a view (DRF's EXCEPTION_HANDLER)."""
    set_rollback()
    request = context["request"]
    status, code, detail, field, headers = _describe(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        known = isinstance(error, _KNOWN_CAUSES)
        remember_error(request, _innermost(error) if known else error)
    body = error_body(request, detail=detail, code=code, field=field)
    # Views that render pages or YAML answer errors in JSON as well.
    request.accepted_renderer = ORJSONRenderer()
    request.accepted_media_type = ORJSONRenderer.media_type
    return Response(body, status=status, headers=headers)


_KNOWN_CAUSES = (
    ModelBusy,
    ModelProcessUnavailable,
    ModelTimedOut,
    ReportBusy,
    StorageUnavailable,
)


def _innermost(error: Exception) -> Exception:
    """Keep only the last frame of the traceback, and no cause.

    A service that is too busy refuses hundreds of requests a second. Their tracebacks
    would take the time that it lacks, and all say the same.
    """
    error.__cause__, error.__suppress_context__ = None, True
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    return error.with_traceback(frame)


_NAMED_MAX = 20  # wrong fields in a sentence

_Description = tuple[int, str, str, str | None, dict[str, str]]

# Status, code and sentence by kind of error. The first match is used. If the sentence
# is None, the error's own message is sent.
_KNOWN: dict[type[Exception], tuple[int, str, str | None]] = {
    BodyTooLarge: (413, "too_large", None),
    WireError: (400, "invalid", None),
    RecursionError: (400, "invalid", "The JSON is nested too deeply."),
    RequestDataTooBig: (413, "too_large", _TOO_LARGE),
    UnreadablePostError: (408, "too_slow", _TOO_SLOW),
    ModelBusy: (503, "model_busy", None),
    ModelProcessUnavailable: (503, "model_process_away", None),
    StorageUnavailable: (503, "storage_away", None),
    ReportBusy: (503, "busy", None),
    ModelTimedOut: (504, "model_timed_out", None),
    ModelError: (500, "model_error", None),
    ModelClassError: (500, "model_error", None),
    UnknownProject: (404, "unknown", None),
    UnknownVersion: (404, "unknown", None),
    FileGone: (404, "not_found", None),
    JobGone: (410, "gone", None),
    RegistryError: (409, "refused", None),
    JobError: (409, "refused", None),
    AnnotationChanged: (409, "refused", None),
    NotAcknowledged: (409, "refused", None),
    OperationalError: (503, "database_away", DATABASE_AWAY),
    InterfaceError: (503, "database_away", DATABASE_AWAY),
}


def _describe(error: Exception) -> _Description:
    """Return status, code, sentence, field and headers for an error."""
    if isinstance(error, exceptions.APIException):
        return _describe_drf(error)
    for kind, (status, code, sentence) in _KNOWN.items():
        if isinstance(error, kind):
            wait = str(getattr(error, "retry_after_s", 2))
            headers = {"Retry-After": wait} if status == _UNAVAILABLE else {}
            field = getattr(error, "field", None)
            return status, code, sentence or str(error), field, headers
    return 500, "unexpected", UNEXPECTED, None, {}


def _describe_drf(error: exceptions.APIException) -> _Description:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    wrong = list(_wrong_fields(error.detail))
    field, detail = wrong[0]
    if isinstance(error, exceptions.UnsupportedMediaType):
        detail = exceptions.ErrorDetail(_NOT_JSON, error.default_code)
    code, sentence = str(getattr(detail, "code", error.default_code)), str(detail)
    if len(wrong) > 1:
        field, code = None, error.default_code
        sentence = " ".join(f"{name}: {each}" for name, each in wrong[:_NAMED_MAX])
        if len(wrong) > _NAMED_MAX:
            sentence += f" And {len(wrong) - _NAMED_MAX} more."
    return error.status_code, code, sentence, field, headers


def _wrong_fields(
    detail: Any, field: str | None = None
) -> Iterator[tuple[str | None, Any]]:
    """Yield each wrong field, with its first error."""
    if isinstance(detail, dict):
        for key, inner in detail.items():
            path = str(key) if field is None else f"{field}.{key}"
            yield from _wrong_fields(inner, path)
    elif isinstance(detail, list):
        yield from _wrong_fields(detail[0], field)
    else:
        yield field, detail


def error_body(
    request: Any, *, detail: str, code: str, field: str | None = None
) -> dict[str, str | None]:
    """Return the body of an error answer.

    Args:
        request: Django's or REST framework's.
        detail: a sentence for a person.
        code: a word for a program.
        field: path of the wrong value, such as `tasks.0.id`; None = no single value.
    """
    return {
        "detail": detail,
        "code": code,
        "field": field,
        "request_id": request_id_of(request),
    }
