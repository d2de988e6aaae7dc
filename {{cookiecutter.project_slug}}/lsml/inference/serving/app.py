"""The model process's WSGI application: predict, embed, load, status and metrics.

Web and workers call it, nobody else: each request carries the token that is made from
SECRET_KEY. Errors of the model are answers here; the caller raises them again.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from django.db import close_old_connections

from lsml.inference.hosting import figures
from lsml.inference.hosting.host import host
from lsml.inference.serving.messages import (
    UNEXPECTED,
    Message,
    answer_message,
    error_message,
    read_call,
    read_load,
)
from lsml.labelstudio.secrets import error_text
from lsml.model_process.client import is_token
from lsml.observability import tracing
from lsml.registry.model_class import describe_here

log = structlog.get_logger(__name__)

_StartResponse = Callable[[str, list[tuple[str, str]]], object]


def application(
    request: dict[str, Any], start_response: _StartResponse
) -> Iterable[bytes]:
    """Answer one request, with database connections that still work."""
    close_old_connections()
    try:
        return respond(request, start_response)
    finally:
        close_old_connections()


def respond(request: dict[str, Any], start_response: _StartResponse) -> Iterable[bytes]:
    """Answer one request."""
    status, content_type, body = _answer(request)
    start_response(
        f"{status.value} {status.phrase}",
        [("Content-Type", content_type), ("Content-Length", str(len(body)))],
    )
    return [body]


def _answer(request: dict[str, Any]) -> tuple[HTTPStatus, str, bytes]:
    route = request["REQUEST_METHOD"], request["PATH_INFO"]
    if route == ("GET", "/live"):
        return HTTPStatus.OK, "text/plain", b"alive\n"
    if not is_token(request.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")):
        return HTTPStatus.UNAUTHORIZED, "text/plain", b"wrong token\n"
    if route == ("GET", "/metrics"):
        return HTTPStatus.OK, "text/plain", figures.exposition()
    if route not in _ROUTES:
        return HTTPStatus.NOT_FOUND, "text/plain", b"nothing is here\n"
    body = request["wsgi.input"].read(int(request.get("CONTENT_LENGTH") or 0))
    return HTTPStatus.OK, "application/json", _run(route, body)


def _run(route: tuple[str, str], body: bytes) -> bytes:
    try:
        message = orjson.loads(body) if body else {}
        request_id = message.get("origin", {}).get("request_id", "")
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            tracing.continued(" ".join(route), message.get("traceparent", "")),
        ):
            return orjson.dumps(_ROUTES[route](message))
    except Exception as error:
        answer = error_message(error)
        if answer["error"] == UNEXPECTED:
            log.exception("request to the model process failed")
        return orjson.dumps(answer)


def _predict(message: Message) -> Message:
    serving, call = read_call(message)
    # The caller notices the time-out itself, and records the error.
    return answer_message(host.predict(serving, call, on_timeout=lambda: None))


def _embed(message: Message) -> Message:
    serving, origin = read_load(message)
    wait_s = message["wait_s"]
    return {"vectors": host.embed(serving, message["tasks"], origin, wait_s=wait_s)}


def _load(message: Message) -> Message:
    serving, origin = read_load(message)
    host.load(serving, origin, within_s=message["within_s"])
    return {}


def _describe(_: Message) -> Message:
    try:
        return asdict(describe_here())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's module
        return {"error": f"The model cannot be imported: {error_text(error)}"}


def _status(_: Message) -> Message:
    return asdict(host.status())


_ROUTES = {
    ("POST", "/predict"): _predict,
    ("POST", "/embed"): _embed,
    ("POST", "/load"): _load,
    ("GET", "/describe"): _describe,
    ("GET", "/status"): _status,
}
