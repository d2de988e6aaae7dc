"""A small HTTP load, measured in a process of its own."""

import http.client
import math
import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """What to send to 127.0.0.1."""

    port: int
    path: str
    body: bytes | None = None  # None = a GET
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """One request and its answer."""

    sent_at: float  # time.monotonic(), which all processes of a machine share
    took_s: float
    status: int  # 0 = no answer in time, or a broken connection
    request_id: str = ""
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What a load measured."""

    per_second: float
    median_ms: float
    p99_ms: float
    errors: int

    def __str__(self) -> str:
        return (
            f"{self.per_second:7.0f} requests/s   median {self.median_ms:6.2f} ms"
            f"   p99 {self.p99_ms:6.2f} ms   errors {self.errors}"
        )


def run_load(
    port: int, path: str, body: bytes, *, clients: int, seconds: float, headers=None
) -> Figures:
    """Post `body` to 127.0.0.1:`port` from `clients` connections for `seconds`."""
    request = Request(port, path, body, headers or {})
    with in_background(keep_sending, request, clients, seconds) as result:
        answers = result()
    return Figures(
        per_second=per_second(answers),
        median_ms=median_ms(answers),
        p99_ms=percentile_ms(answers, 99),
        errors=sum(each.status != http.HTTPStatus.OK for each in answers),
    )


@contextmanager
def in_background(
    function: Callable[..., Any], *arguments: Any
) -> Iterator[Callable[[], Any]]:
    """Call a function in a process of its own, and yield what waits for its result.

    Measuring must not hold up the caller's threads, nor the reverse.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool.apply_async(function, arguments).get


def keep_sending(
    request: Request, clients: int, seconds: float, pause_s: float | None = 0.0
) -> list[Answer]:
    """Send a request again and again from `clients` kept connections.

    Args:
        request: What each client sends.
        clients: Number of clients, each a thread.
        seconds: After this time no more requests are sent.
        pause_s: Wait after a 503 or a broken connection; None = as Retry-After says.
    """
    until = time.monotonic() + seconds
    answers: list[Answer] = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", request.port, timeout=100)
        while time.monotonic() < until:
            answer = send(request, connection)
            answers.append(answer)
            if answer.status in {0, http.HTTPStatus.SERVICE_UNAVAILABLE}:
                wait_s = answer.retry_after_s if pause_s is None else pause_s
                time.sleep(max(0.0, min(wait_s, until - time.monotonic())))
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def send_evenly(
    requests: dict[str, Request], count: int, seconds: float, timeout_s: float
) -> dict[str, list[Answer]]:
    """Send each request `count` times over `seconds`, on new connections.

    A request is sent at its time, whether those before it were answered or not.
    """
    started = time.monotonic()
    names = list(requests)
    with ThreadPoolExecutor(max_workers=len(names) * count) as threads:
        pending: dict[str, list[Any]] = {name: [] for name in names}
        for number in range(count * len(names)):
            due = started + number * seconds / (count * len(names))
            time.sleep(max(0.0, due - time.monotonic()))
            name = names[number % len(names)]
            pending[name].append(threads.submit(send_once, requests[name], timeout_s))
        return {
            name: [each.result() for each in futures]
            for name, futures in pending.items()
        }


def send_once(request: Request, timeout_s: float) -> Answer:
    """Send one request on a new connection, as Label Studio does."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", request.port, timeout=timeout_s
    )
    try:
        return send(request, connection)
    finally:
        connection.close()


def send(request: Request, connection: http.client.HTTPConnection) -> Answer:
    """Send one request. A connection that breaks is opened again by the next one."""
    sent_at = time.monotonic()
    try:
        connection.request(
            "GET" if request.body is None else "POST",
            request.path,
            body=request.body,
            headers={"Content-Type": "application/json", **request.headers},
        )
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return Answer(sent_at, time.monotonic() - sent_at, 0)
    return Answer(
        sent_at,
        time.monotonic() - sent_at,
        response.status,
        response.headers.get("X-Request-ID", ""),
        float(response.headers.get("Retry-After", 0)),
    )


def per_second(answers: Sequence[Answer]) -> float:
    """Return the rate of answers, from the first request to the last answer."""
    started = min(each.sent_at for each in answers)
    return len(answers) / (
        max(each.sent_at + each.took_s for each in answers) - started
    )


def median_ms(answers: Sequence[Answer]) -> float:
    """Return the median time of answers, in ms; nan if there are none."""
    return statistics.median(_times_ms(answers)) if answers else math.nan


def percentile_ms(answers: Sequence[Answer], percent: float) -> float:
    """Return a percentile of the times of answers, in ms; nan if there are none."""
    times = sorted(_times_ms(answers))
    return (
        times[min(len(times) - 1, int(len(times) * percent / 100))]
        if times
        else math.nan
    )


def _times_ms(answers: Sequence[Answer]) -> list[float]:
    return [each.took_s * 1000 for each in answers]
