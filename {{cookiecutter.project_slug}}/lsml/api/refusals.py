"""Answers to requests that reach no endpoint: malformed, too slow, or too many.

lsml/api/server.py sends them. They have the shape of all errors (lsml/api/errors.py),
without Django, which does not know about these requests.
"""

import json
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from gunicorn.http import errors

_STATUSES: Final[dict[type[Exception], HTTPStatus]] = {  # of others: 400
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}
_OURS: Final = (
    errors.ConfigurationProblem,
    errors.InvalidResponseHeader,
    errors.InvalidResponseHeaderName,
)


def is_malformed(error: Exception) -> bool:
    """Return whether the client caused an error that gunicorn's parser raised."""
    return isinstance(error, errors.ParseException) and not isinstance(error, _OURS)


def malformed(error: Exception) -> bytes:
    """Answer a request that is not HTTP as the parser accepts it."""
    status = _STATUSES.get(type(error), HTTPStatus.BAD_REQUEST)
    return _refusal(status, "malformed", f"{str(error)[:300]}.")


def too_slow() -> bytes:
    """Answer a request whose body did not arrive in time."""
    sentence = "The body did not arrive in time, so nothing was done. Send it again."
    return _refusal(HTTPStatus.REQUEST_TIMEOUT, "too_slow", sentence)


def overloaded() -> bytes:
    """Answer a request for which the process has no memory left."""
    sentence = (
        "The service is receiving too much at once, so nothing was done."
        " Try again in a moment."
    )
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return _refusal(status, "overloaded", sentence, "Retry-After: 2\r\n")


def _refusal(status: HTTPStatus, code: str, detail: str, headers: str = "") -> bytes:
    request_id = uuid4().hex
    body = json.dumps(
        {"detail": detail, "code": code, "field": None, "request_id": request_id}
    )
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Request-ID: {request_id}\r\n{headers}Connection: close\r\n\r\n{body}"
    ).encode("ascii")
