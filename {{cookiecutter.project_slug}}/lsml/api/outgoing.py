"""The socket that an answer is sent on, with a limit for clients that do not read it.

lsml/api/server.py, the worker, uses it.
"""

import errno
import select
import socket
import time
from typing import Any, Final

# Seconds that an answer may wait in all for its client to read: 10 s, and a second more
# for each 16 KiB of it.
ANSWER_S: Final = 10.0
ANSWER_BYTES_PER_S: Final = 16 * 1024


class AnswerSocket(socket.socket):
    """A client's socket, on which `sendall` does not wait without end.

    Only the time spent waiting counts, not the time that the answer takes to produce.
    """

    _left_s = ANSWER_S

    def start_answer(self) -> None:
        """Give the next answer its own time."""
        self._left_s = ANSWER_S

    @property
    def is_writable(self) -> bool:
        """Whether a short answer can be sent without waiting for the client to read."""
        poll = select.poll()
        poll.register(self, select.POLLOUT)
        return bool(poll.poll(0))

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of `data`.

        Raises:
            BrokenPipeError: the client reads the answer too slowly. gunicorn closes the
                connection then, as if the client had closed it.
        """
        self._left_s += len(data) / ANSWER_BYTES_PER_S
        try:
            sent = self.send(data, flags | socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._send_waiting(memoryview(data)[sent:], flags)

    def _send_waiting(self, data: memoryview, flags: int) -> None:
        started = time.monotonic()
        self.settimeout(max(self._left_s, 0.001))  # 0 would mean: do not wait
        try:
            super().sendall(data, flags)
        except TimeoutError:
            raise BrokenPipeError(
                errno.EPIPE, "The client reads the answer too slowly."
            ) from None
        finally:
            self.settimeout(None)
            self._left_s -= time.monotonic() - started
