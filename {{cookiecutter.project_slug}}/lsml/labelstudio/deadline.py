"""Limits how long each request of an httpx client may take as a whole.

httpx limits each single read and write, so a server that sends a byte a second would
hold a thread for ever.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from threading import Timer
from typing import Any, cast

import httpx

# A connection is watched from its beginning, so each request opens its own.
ONE_REQUEST_EACH = httpx.Limits(max_keepalive_connections=0)


def set_deadline(request: httpx.Request) -> None:
    """Have a request end after the seconds that its single reads may take.

    For an httpx client with the limits ONE_REQUEST_EACH, as its hook for requests. A
    request that is redirected keeps its deadline. Afterwards, httpx.ReadTimeout is
    raised.
    """
    limit_s = request.extensions.get("timeout", {}).get("read")
    if limit_s is not None and "trace" not in request.extensions:
        request.extensions["trace"] = _Deadline(limit_s).on_event


class _Deadline:
    """Shuts the connection of one request down when its time is over."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._ends = time.monotonic() + limit_s
        self._timer = Timer(0, lambda: None)

    def on_event(self, name: str, info: dict[str, Any]) -> None:
        """Receive an event of httpcore; an exception raised here ends the request.

        Connecting has its own limit in httpx, and its own exceptions.
        """
        if name.endswith((".connect_tcp.complete", ".start_tls.complete")):
            stream = info["return_value"]
            self._watch(cast("socket.socket", stream.get_extra_info("socket")))
        elif name.startswith("http11.response_closed"):
            self._timer.cancel()
        elif name.startswith("http11.") and time.monotonic() >= self._ends:
            raise httpx.ReadTimeout(f"no complete answer within {self._limit_s:g} s")

    def _watch(self, connection: socket.socket) -> None:
        self._timer.cancel()
        left_s = max(0.0, self._ends - time.monotonic())
        self._timer = Timer(left_s, _shut_down, [connection])
        self._timer.daemon = True
        self._timer.start()


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):  # closed meanwhile
        # Not `SSLSocket.shutdown`, after which the other thread could send plain text.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
