"""A small HTTP load: keep-alive clients that post one body as fast as they can."""

import http.client
import multiprocessing
import statistics
import threading
import time
from dataclasses import dataclass


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
    # A process of its own, so that measuring does not hold up the caller's threads.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_load, (port, path, body, clients, seconds, headers or {}))


def _load(port, path, body, clients, seconds, headers) -> Figures:
    times: list[float] = []
    errors: list[int] = []
    until = time.monotonic() + seconds
    started = time.monotonic()
    threads = [
        threading.Thread(
            target=_client, args=(port, path, body, until, headers, times, errors)
        )
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - started
    times.sort()
    return Figures(
        per_second=len(times) / took,
        median_ms=statistics.median(times) * 1000,
        p99_ms=times[int(len(times) * 0.99)] * 1000,
        errors=len(errors),
    )


def _client(port, path, body, until, headers, times, errors) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json", **headers}
    while time.monotonic() < until:
        started = time.perf_counter()
        connection.request("POST", path, body=body, headers=headers)
        response = connection.getresponse()
        response.read()
        times.append(time.perf_counter() - started)
        if response.status != http.HTTPStatus.OK:
            errors.append(response.status)
    connection.close()
