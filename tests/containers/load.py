"""Sends requests all the time, as several annotators do, and keeps every answer."""

import http.client
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from demo.label_studio import HEALTH_S, LabelStudio

PAUSE_S = 0.1  # between two requests of one client
WEBHOOK_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or an error instead (status 0), to a request."""

    what: str
    status: int
    seconds: float
    at: float  # seconds since the first request
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether it was not answered, or not with success."""
        return self.status // 100 != 2

    def __str__(self) -> str:
        """Describe it for a person."""
        return (
            f"{self.what} after {self.at:.1f} s: {self.error or self.status}"
            f" in {self.seconds:.2f} s"
        )


class Load:
    """Predictions, webhooks and health checks, until the `with` block ends."""

    def __init__(
        self, studio: LabelStudio, texts: list[tuple[str, str]], port: int
    ) -> None:
        """Use these texts in turn."""
        self.answers: list[Answer] = []
        self._studio, self._texts, self._port = studio, texts, port
        self._stop = threading.Event()
        clients = (self._predict, self._predict, self._annotate, self._stay_connected)
        self._threads = [threading.Thread(target=client) for client in clients]
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        """Begin."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the last answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def failed(self) -> list[Answer]:
        """The requests that failed."""
        return [answer for answer in self.answers if answer.failed]

    @property
    def slowest(self) -> Answer:
        """The answer that took longest."""
        return max(self.answers, key=lambda answer: answer.seconds)

    def _predict(self) -> None:
        for text, _ in itertools.cycle(self._texts):
            self._record("predict", lambda t=text: self._studio.predict([t]).status)
            if self._stop.wait(PAUSE_S):
                return

    def _annotate(self) -> None:
        for number, (text, label) in itertools.cycle(enumerate(self._texts, 1)):
            self._record(
                "webhook",
                lambda n=number, t=text, c=label: self._studio.annotate(n, t, c).status,
            )
            if self._stop.wait(WEBHOOK_PAUSE_S):
                return

    def _stay_connected(self) -> None:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._port, timeout=HEALTH_S
        )

        def ask() -> int:
            connection.request("GET", "/live")
            with connection.getresponse() as response:
                response.read()
                return response.status

        while not self._stop.wait(PAUSE_S):
            self._record("live", ask)
        connection.close()

    def _record(self, what: str, send: Callable[[], int]) -> None:
        began = time.monotonic()
        status, error = 0, ""
        try:
            status = send()
        except (OSError, http.client.HTTPException) as failure:
            error = repr(failure)
        now = time.monotonic()
        self.answers.append(
            Answer(what, status, now - began, began - self._began, error)
        )
