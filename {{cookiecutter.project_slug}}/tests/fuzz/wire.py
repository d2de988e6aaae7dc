"""Sends attempts over connections that are kept, and reads every answer."""

import http.client
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

ANSWER_S = 60.0  # then it counts as no answer


@dataclass
class Answer:
    """One response, or what came instead of it."""

    status: int  # 0 = none
    headers: http.client.HTTPMessage | dict
    body: bytes
    took_s: float
    problem: str = ""  # why it is not a whole answer


class Connection:
    """A connection of one client; it connects again when it has to."""

    def __init__(self, port):
        self._port = port
        self._socket = None
        self._file = None
        self.previous = b""  # what was sent before, on the same connection

    def exchange(self, attempt, rng):
        """Send an attempt and return its answers; the last may have a problem."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.settimeout(ANSWER_S)
            self._file = self._socket.makefile("rb")
            self.previous = b""
        attempt.previous, self.previous = self.previous, attempt.data[:2_000]
        started = time.perf_counter()
        with suppress(OSError):  # refused before the end; the answer says why
            self._send(attempt, rng)
        answers = []
        for request in attempt.requests:
            answer = self._read(request.method, started)
            answers.append(answer)
            if answer.problem or answer.headers.get("Connection", "") == "close":
                self.close()
                break
        if attempt.half_close:
            self.close()
        return answers

    def close(self):
        if self._socket is not None:
            self._file.close()
            self._socket.close()
            self._socket = None

    def _send(self, attempt, rng):
        size = max(1, len(attempt.data) // attempt.pieces)
        for at in range(0, len(attempt.data), size):
            self._socket.sendall(attempt.data[at : at + size])
            if attempt.pieces > 1:
                time.sleep(rng.uniform(0, 0.01))
        if attempt.half_close:
            self._socket.shutdown(socket.SHUT_WR)

    def _read(self, method, started):
        response = http.client.HTTPResponse(_Kept(self._file), method=method)
        problem, body, status, headers = "", b"", 0, {}
        try:
            response.begin()
            status, headers = response.status, response.headers
            body = response.read()
        except http.client.RemoteDisconnected:
            problem = "closed without an answer"
        except TimeoutError:
            problem = f"nothing for {ANSWER_S:.0f} s"
        except (http.client.IncompleteRead, ConnectionError) as error:
            problem = f"cut off: {error!r}" if status else "closed without an answer"
        except (http.client.HTTPException, ValueError) as error:
            problem = f"not an answer: {error!r}"
        return Answer(status, headers, body, time.perf_counter() - started, problem)


class _Kept:
    """A socket whose file survives the response that was read from it."""

    def __init__(self, file):
        self._file = file

    def makefile(self, mode):
        return self

    def close(self):
        """Keep the file, which may have the next response."""

    def flush(self):
        """Nothing is written."""

    def __getattr__(self, name):
        return getattr(self._file, name)
