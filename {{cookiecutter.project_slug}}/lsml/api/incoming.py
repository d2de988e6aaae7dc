"""A request while it is being received, and what gunicorn's parser reads of it.

lsml/api/server.py, the worker, uses both.
"""

import math
import re
import socket
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote_to_bytes

from gunicorn.http.unreader import SocketUnreader

# Seconds from the first byte of a request until its header must be complete.
HEADER_S: Final = 10.0
# A body may take 30 s, and a second more for each 16 KiB that arrived.
BODY_S: Final = 30.0
BODY_BYTES_PER_S: Final = 16 * 1024
# Bytes of a body that are received before a thread gets the request. The rest of a
# longer one is read in the thread.
BODY_BUFFER_MAX: Final = 1024 * 1024

_HEADER_BUFFER_MAX: Final = 64 * 1024
_FRAMING: Final = re.compile(
    rb"\r\n(content-length|transfer-encoding|expect)[ \t]*:([^\r\n]*)", re.IGNORECASE
)
_REQUEST_LINE: Final = re.compile(rb"[\r\n]*([^\r\n]*)")
_PREDICTION: Final = re.compile(rb"POST [^ ?#]*/predict[ ?#]")
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")


class Incoming:
    """A request that is being received.

    It finds out only how many bytes belong to the request. gunicorn's parser decides
    everything else, also about requests that are malformed.

    Attributes:
        held: bytes in `buffer` when a thread got the request.
        watched: whether the event loop waits for more bytes.
    """

    def __init__(self, *, idle_s: float) -> None:
        self.buffer = bytearray()
        self.received = 0
        self.held = 0
        self.watched = False
        self._idle_s = idle_s
        self._since = time.monotonic()  # accepted, then: first byte
        self._header_size = 0  # 0 = not complete
        self._size = math.inf  # header and body; inf = the parser finds out
        self._wanted = math.inf  # bytes to receive before a thread gets the request

    @property
    def deadline(self) -> float:
        """Monotonic time until which the next bytes must arrive."""
        if not self.received:
            return self._since + self._idle_s
        if not self._header_size:
            return self._since + HEADER_S
        return self._since + BODY_S + self.received / BODY_BYTES_PER_S

    @property
    def has_header(self) -> bool:
        """Whether the header is complete, so that the client may expect an answer."""
        return bool(self._header_size)

    @property
    def is_prediction(self) -> bool:
        """Whether the request is a POST to /predict, however its address is written."""
        match = _REQUEST_LINE.match(self.buffer)
        line = unquote_to_bytes(match[1]) if match else b""
        return _PREDICTION.match(line) is not None

    @property
    def is_ready(self) -> bool:
        """Whether a thread may get the request."""
        return self.received >= self._wanted

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to read."""
        return self.received >= self._size

    @property
    def declared_size(self) -> float:
        """Bytes of header and body; infinite if the header does not say it."""
        return self._size

    def add(self, data: bytes) -> None:
        """Append received bytes, and read the header's framing when it is complete."""
        if not self.received:
            self._since = time.monotonic()
        searched = max(0, self.received - 3)
        self.buffer += data
        self.received += len(data)
        if self._header_size:
            return
        end = self.buffer.find(b"\r\n\r\n", searched)
        if end >= 0:
            self._read_framing(end)
        elif self.received > _HEADER_BUFFER_MAX or _BARE_LF.search(
            self.buffer, searched
        ):
            self._wanted = 0  # the parser refuses it, or reads on within the deadline

    def _read_framing(self, end: int) -> None:
        self._header_size = self._wanted = end + 4
        match _FRAMING.findall(self.buffer[:end]):
            case []:
                self._size = self._header_size
            case [(name, value)] if (
                name.lower() == b"content-length" and _LENGTH.fullmatch(value.strip())
            ):
                self._size = self._header_size + int(value)
                self._wanted = min(self._size, self._header_size + BODY_BUFFER_MAX)
            case _:
                # Chunked, `Expect: 100-continue`, or contradictory: a thread gets the
                # request with its body unread.
                pass


class Rest(SocketUnreader):
    """What gunicorn's parser reads: the received bytes, then the socket.

    It reads the socket until the request's deadline, and calls `arrived` when the body
    is complete.
    """

    def __init__(
        self, sock: socket.socket, incoming: Incoming, arrived: Callable[[], None]
    ) -> None:
        super().__init__(sock)
        self.may_wait = True
        self._incoming = incoming
        self._arrived = arrived
        self.unread(incoming.buffer)

    @property
    def declared_size(self) -> float:
        """Bytes of header and body; infinite if the header does not say it."""
        return self._incoming.declared_size

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next bytes.

        Raises:
            TimeoutError: they did not arrive in time, or nobody may wait for them.
        """
        left = self._incoming.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The body did not arrive in time.")
        self.sock.settimeout(left if self.may_wait else 0)  # 0: what has arrived
        try:
            data: bytes = super().chunk(size_hint)
        except BlockingIOError:
            raise TimeoutError("The body has not arrived.") from None
        finally:
            self.sock.settimeout(None)
        self._incoming.received += len(data)
        if self._incoming.is_complete:
            self._arrived()
        return data
