"""gunicorn's worker, changed so that slow clients occupy no threads.

config/gunicorn.py names it. gunicorn's own threaded worker gives a connection to a
thread before its request has arrived, so a few idle connections stop the service. Here
the event loop receives requests without blocking, and a thread gets a request when it
is complete. docs/adr/0028-receive-before-a-thread.md has the reasons and the limits.
"""

import math
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any, Final

from gunicorn.workers.gthread import TConn, ThreadWorker

from lsml.api import refusals
from lsml.api.incoming import BODY_BUFFER_MAX, Incoming, Rest
from lsml.api.outgoing import AnswerSocket

# Bytes of all requests of a process that are being received or wait for a thread.
BUFFERS_MAX: Final = 64 * 1024 * 1024

_RECEIVE_MAX: Final = 64 * 1024
# Seconds that a client has to read the last answer before its connection is closed.
_LINGER_S: Final = 2.0
_CHECK_S: Final = 0.5
# Seconds per connection that a process hesitates to accept another one.
_HESITATE_S: Final = 0.0001
# Milliseconds that a thread waits for the next request of its connection.
_STAY_MS: Final = 1


class Lingering:
    """A connection whose last answer was sent; what still arrives is discarded."""

    has_header = False
    held = 0
    watched = False
    buffer = b""

    def __init__(self) -> None:
        self.deadline = time.monotonic() + _LINGER_S


class Lane:
    """Requests of which only so many may be in threads at once.

    Attributes:
        most: number of threads.
        in_threads: connections of the requests that have one.
        waiting: connections of requests that wait for one, the oldest first.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.in_threads: set[TConn] = set()
        self.waiting: deque[TConn] = deque()


class BufferingWorker(ThreadWorker):
    """Receives requests in the event loop, and answers them in threads.

    With gunicorn's own TLS it behaves as its parent.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cfg.set("sendfile", False)  # it would wait without end for the client
        self.waiting: dict[TConn, Incoming | Lingering] = {}  # longest wait first
        self.in_threads: dict[TConn, Incoming] = {}
        self.buffered = 0  # bytes of both
        # Requests that wait for the rest of a body in their thread.
        self.readers = Lane(max(1, self.cfg.threads // 4))
        # The other threads stay free for webhooks, however many predictions there are.
        self.predictions = Lane(int(os.environ.get("WEB_PREDICT_THREADS", "16")))
        self.stop_at = math.inf
        self.next_check = 0.0

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection; close the one that waits longest if there are too many.

        Otherwise connections without requests could keep all others out. A process with
        connections hesitates, so that one with fewer takes the new one.
        """
        time.sleep(min(self.nr_conns, 10) * _HESITATE_S)
        super().accept(listener)
        if self.nr_conns >= self.worker_connections and self.waiting:
            self._drop(next(iter(self.waiting)))

    def enqueue_req(self, conn: TConn) -> None:
        """Receive a request.

        gunicorn calls this for a new connection, when an idle one is readable, and
        when the client sent more than one request at once.
        """
        if self.cfg.is_ssl:
            super().enqueue_req(conn)
            return
        if not conn.initialized:
            conn.sock = AnswerSocket(fileno=conn.sock.detach())
            conn.sock.setblocking(False)
        incoming = self.waiting[conn] = Incoming(idle_s=self.cfg.keepalive)
        if conn.parser and (further := conn.parser.unreader.take_buffered()):
            conn.sock.setblocking(False)
            self._add(conn, incoming, further)
        else:
            self._receive(conn, conn.sock)
        if not incoming.is_ready and conn in self.waiting:
            self._watch(conn, self._receive)

    def _watch(self, conn: TConn, callback: Callable[..., None]) -> None:
        self.poller.register(conn.sock, EVENT_READ, partial(callback, conn))
        self.waiting[conn].watched = True

    def _unwatch(self, conn: TConn) -> None:
        if self.waiting[conn].watched:
            self.poller.unregister(conn.sock)
            self.waiting[conn].watched = False

    def _receive(self, conn: TConn, sock: socket.socket) -> None:
        incoming = self.waiting.get(conn)
        if not isinstance(incoming, Incoming):
            return  # dropped after the event loop had collected this event
        data = _received(sock)
        if data:
            self._add(conn, incoming, data)
        elif data is not None:
            self._drop(conn)

    def _add(self, conn: TConn, incoming: Incoming, data: bytes) -> None:
        incoming.add(data)
        self.buffered += len(data)
        while self.buffered > BUFFERS_MAX and self.waiting:
            largest = max(self.waiting, key=lambda each: len(self.waiting[each].buffer))
            self._drop(largest, refusals.overloaded())
        if not incoming.is_ready or conn not in self.waiting:
            return
        self._unwatch(conn)
        if not conn.sock.is_writable:
            # The client sends requests, and does not read the answers.
            self.buffered -= len(incoming.buffer)
            self._linger(conn)
        elif not incoming.is_complete:
            self.readers.waiting.append(conn)
            self._start(self.readers)
        elif incoming.is_prediction:
            self.predictions.waiting.append(conn)
            self._start(self.predictions)
        else:
            self._hand_over(conn, incoming)

    def _start(self, lane: Lane) -> None:
        while lane.waiting and len(lane.in_threads) < lane.most:
            conn = lane.waiting.popleft()
            incoming = self.waiting.get(conn)
            if isinstance(incoming, Incoming):
                lane.in_threads.add(conn)
                self._hand_over(conn, incoming)

    def _leave(self, lane: Lane, conn: TConn) -> None:
        lane.in_threads.discard(conn)
        self._start(lane)

    def _hand_over(self, conn: TConn, incoming: Incoming) -> None:
        del self.waiting[conn]
        self.in_threads[conn] = incoming
        conn.data_ready = True  # otherwise gunicorn waits for the socket
        conn.init()
        conn.parser.unreader = Rest(
            conn.sock,
            incoming,
            partial(self.method_queue.defer, self._leave, self.readers, conn),
        )
        incoming.held = len(incoming.buffer)
        incoming.buffer = bytearray()
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        """Answer a request, and those that its client sends right after the answer.

        Waiting a moment for the next one here saves two changes of threads. gunicorn
        calls this in a thread.
        """
        reusable = super().handle(conn)
        while reusable is True and self._may_stay(conn) and _is_readable(conn.sock):
            data = _received(conn.sock)
            if not data:
                return False
            if not self._takes(conn, data):
                break
            reusable = super().handle(conn)
        return reusable

    def _may_stay(self, conn: TConn) -> bool:
        """Whether a connection may keep its thread: no other request waits for one."""
        return (
            self.alive
            and not self.cfg.is_ssl
            and not self.predictions.waiting
            and not self.readers.waiting
            and len(self.in_threads) <= self.cfg.threads
            and not conn.parser.unreader.buf.getvalue()
            and conn.sock.is_writable
        )

    def _takes(self, conn: TConn, data: bytes) -> bool:
        """Take a whole request of the same lane; leave all others to the event loop."""
        following = Incoming(idle_s=self.cfg.keepalive)
        following.add(data)
        had_place = conn in self.predictions.in_threads
        if not following.is_complete or following.is_prediction != had_place:
            conn.parser.unreader.unread(data)
            return False
        conn.parser.unreader = Rest(conn.sock, following, lambda: None)
        return True

    def handle_request(self, req: Any, conn: TConn) -> bool:
        """Answer a request, and announce that its connection closes after a long one.

        The rest of its body may remain unread.
        """
        if not self.cfg.is_ssl:
            conn.sock.start_answer()
            if BODY_BUFFER_MAX < conn.parser.unreader.declared_size < math.inf:
                req.force_close()
        return bool(super().handle_request(req, conn))

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Whether the connection can be reused.

        Of a body that was not read, what has arrived is discarded. Nobody waits for
        the rest.
        """
        if self.cfg.is_ssl:
            return bool(super()._keepalive_after(conn, keepalive))
        conn.parser.unreader.may_wait = False
        # gunicorn's limit of 64 KiB would close a connection that the answer kept open.
        most = 2 * BODY_BUFFER_MAX
        return keepalive and bool(conn.parser.finish_body(max_bytes=most))

    def handle_error(
        self, req: Any, client: socket.socket, addr: Any, exc: Exception
    ) -> None:
        """Answer a request that the parser refuses, in the shape of all errors."""
        if not refusals.is_malformed(exc):
            super().handle_error(req, client, addr, exc)
            return
        peer = addr[0] if addr else "unix"
        self.log.warning("Malformed request from %s: %s", peer, str(exc)[:300])
        with suppress(OSError):
            client.send(refusals.malformed(exc), socket.MSG_DONTWAIT)

    def finish_request(self, conn: TConn, fs: "Future[bool]") -> None:
        """Receive the next request, or close the connection without blocking."""
        incoming = self.in_threads.pop(conn, None)
        if incoming is None:
            super().finish_request(conn, fs)
            return
        self.buffered -= incoming.held
        for lane in (self.readers, self.predictions):
            self._leave(lane, conn)
        if fs.cancelled() or fs.exception() or not fs.result():
            self._linger(conn)
        else:
            super().finish_request(conn, fs)

    def _linger(self, conn: TConn) -> None:
        self.waiting[conn] = Lingering()
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(conn)
        else:
            self._watch(conn, self._discard)

    def _discard(self, conn: TConn, sock: socket.socket) -> None:
        if conn not in self.waiting:
            return
        if _received(sock) == b"":
            self._drop(conn)

    def murder_pending(self) -> None:
        """Close connections whose deadline has passed (gunicorn's name)."""
        super().murder_pending()
        now = time.monotonic()
        if now < self.next_check:
            return
        self.next_check = now + _CHECK_S
        late = [
            conn
            for conn, each in self.waiting.items()
            if min(each.deadline, self.stop_at) <= now
        ]
        for conn in late:
            has_header = self.waiting[conn].has_header
            self._drop(conn, refusals.too_slow() if has_header else b"")

    def _cap_keepalive(self, deadline: float) -> None:
        """Close waiting connections by `deadline`, because this worker stops."""
        super()._cap_keepalive(deadline)
        self.stop_at = deadline

    def _drop(self, conn: TConn, answer: bytes = b"") -> None:
        self._unwatch(conn)
        self.buffered -= len(self.waiting.pop(conn).buffer)
        if answer:
            with suppress(OSError):
                conn.sock.send(answer)
        self.nr_conns -= 1
        conn.close()


def _received(sock: socket.socket) -> bytes | None:
    """Return what has arrived, b"" if the connection is closed, None if nothing has."""
    try:
        return sock.recv(_RECEIVE_MAX)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _is_readable(sock: socket.socket) -> bool:
    """Return whether something arrives on a socket within a moment."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(_STAY_MS))
