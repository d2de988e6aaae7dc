"""Sends requests to a model process and returns its answers as they are.

The process answers under MODEL_URL, a background one under BACKGROUND_MODEL_URL
(`lsml/inference/serving/app.py`). A token made from SECRET_KEY shows each side's
requests to be the service's own.
"""

import hmac
from functools import cache
from typing import Any

import httpx
import orjson
from django.utils.crypto import salted_hmac

from lsml.model_process.address import socket_of
from lsml.model_process.errors import (
    ModelProcessEnded,
    ModelProcessUnavailable,
    NoAnswerInTime,
)
from lsml.model_process.processes import SERVING, ModelProcess

_CONNECT_TIMEOUT_S = 2.0
# A request takes one connection. A worker or a web process has fewer threads than that.
_CONNECTIONS_MAX = 200
# Less than the model process keeps them, so that no request meets a closed one.
_KEEP_ALIVE_S = 30.0


def call(
    method: str,
    path: str,
    body: object = None,
    *,
    timeout_s: float,
    process: ModelProcess = SERVING,
) -> Any:
    """Send one request and return the decoded JSON of the answer.

    Args:
        method: GET or POST.
        path: Such as `/predict`.
        body: Sent as JSON.
        timeout_s: Seconds to wait for the answer, once connected.
        process: Which process to ask.

    Raises:
        ModelProcessUnavailable: It is not running.
        ModelProcessEnded: It ended while it worked on this.
        NoAnswerInTime: It did not answer within `timeout_s`.
    """
    answer = send(method, path, body, timeout_s=timeout_s, process=process)
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise ModelProcessUnavailable(
            f"Something else than the {process.name} answers at {process.setting}."
            " Correct it."
        ) from error


def send(
    method: str,
    path: str,
    body: object = None,
    *,
    timeout_s: float,
    process: ModelProcess = SERVING,
) -> bytes:
    """Send one request as `call` does, and return the answer as it is."""
    try:
        answer = _client(process.url).request(
            method,
            path,
            content=b"" if body is None else orjson.dumps(body),
            headers={"Authorization": f"Bearer {token()}"},
            timeout=httpx.Timeout(timeout_s, connect=_CONNECT_TIMEOUT_S),
        )
    except httpx.ReadTimeout as error:
        raise NoAnswerInTime(
            f"The {process.name} did not answer within {timeout_s:g} s."
        ) from error
    except (httpx.ReadError, httpx.RemoteProtocolError) as error:
        raise ModelProcessEnded(
            f"The {process.name} ended while it worked on this, and restarts. Try again"
            " in a moment; if it ends again, check its log."
        ) from error
    except httpx.TransportError as error:
        raise ModelProcessUnavailable(
            f"The {process.name} does not answer. Try again in a moment; if it stays"
            f" away, check its log and {process.setting}."
        ) from error
    if answer.status_code != httpx.codes.OK:
        raise ModelProcessUnavailable(
            f"The address in {process.setting} answered with status"
            f" {answer.status_code}. Check that the {process.name} answers there and"
            " has the same SECRET_KEY."
        )
    return answer.content


@cache
def _client(url: str) -> httpx.Client:
    """Return this process's client: its connections must not be shared by a fork."""
    socket = socket_of(url)
    return httpx.Client(
        base_url=url if socket is None else "http://model-process",
        transport=httpx.HTTPTransport(
            uds=socket,
            trust_env=False,  # a proxy is for the way out, not for our own processes
            limits=httpx.Limits(
                max_connections=_CONNECTIONS_MAX,
                max_keepalive_connections=_CONNECTIONS_MAX,
                keepalive_expiry=_KEEP_ALIVE_S,
            ),
        ),
    )


def token() -> str:
    """Return the token that both sides know, because they have the same SECRET_KEY."""
    return salted_hmac("lsml.model_process", "token", algorithm="sha256").hexdigest()


def is_token(given: str) -> bool:
    """Return whether `given` is the token, in constant time."""
    return hmac.compare_digest(given.encode(), token().encode())
