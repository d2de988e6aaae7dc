"""Measures every page of the admin behind a million predictions.

    make bench-pages [ARGS="--rows 10000"]

One logged-in client fetches each page 20 times from gunicorn with its production
settings. The same pages are rendered in this process too, which counts their queries.
Takes about three minutes.
"""

import argparse
import http.client
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.load import Request, median_ms, percentile_ms, send
from benchmarks.service import Service, children_of, servers, service

if TYPE_CHECKING:
    from benchmarks.page.addresses import Page

BARS_MS = {"home": 150, "list": 80}
TIMES = 20
TIMES_IN_PROCESS = 5
WARM_UP = 2  # requests of each page that are not measured
HOST = "localhost"


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of a page, per request."""

    page: "Page"
    best_ms: float  # tells more than the median while others use the machine
    median_ms: float
    p90_ms: float
    cpu_ms: float  # of the web processes
    queries: int
    queries_ms: float

    @property
    def bar_ms(self) -> float:
        """The time allowed for a page of this kind."""
        return BARS_MS.get(self.page.kind, float("inf"))

    def __str__(self) -> str:
        times = (self.best_ms, self.median_ms, self.p90_ms, self.cpu_ms)
        figures = " ".join(f"{each:7.1f}" for each in times)
        mark = "  above the bar" if self.median_ms > self.bar_ms else ""
        return (
            f"{self.page.name[:44]:44} {figures}"
            f" {self.queries:7} {self.queries_ms:7.1f}{mark}"
        )


def main() -> None:
    """Fill a database, measure all pages, and fail if one is above its bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages")
    parser.add_argument("--rows", type=int, default=1_000_000, help="predictions")
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="bench-") as name, servers(Path(name)):
        from benchmarks.page.data import fill

        started = time.monotonic()
        fill(rows)
        print(f"{rows:,} predictions written in {time.monotonic() - started:.0f} s")
        model = os.environ["MODEL_CLASS"]
        with service(Path(name), model=model, placement="process") as running:
            measured = _measure_all(running)
    print_table(measured)
    sys.exit(any(row.median_ms > row.bar_ms for row in measured))


def _measure_all(running: Service) -> list[Row]:
    from django.contrib.auth.models import User
    from django.test import Client

    from benchmarks.page.addresses import all_pages
    from benchmarks.page.data import USER

    client = Client(SERVER_NAME=HOST)
    client.force_login(User.objects.get(username=USER))
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.1f}", flush=True)
    rows = [measure(page, running, client) for page in all_pages()]
    print(f"load {os.getloadavg()[0]:.1f} afterwards", flush=True)
    return rows


def measure(page: "Page", running: Service, client: Any) -> Row:
    """Fetch a page from gunicorn, and render it in this process."""
    headers = {
        "Cookie": f"sessionid={client.cookies['sessionid'].value}",
        "Accept-Encoding": "gzip",
    }
    request = Request(running.port, page.path, headers=headers)
    connection = http.client.HTTPConnection(HOST, running.port, timeout=60)
    for _ in range(WARM_UP):
        send(request, connection)
    before = cpu_s(running)
    answers = [send(request, connection) for _ in range(TIMES)]
    cpu_ms = (cpu_s(running) - before) * 1000 / TIMES
    connection.close()
    if bad := {each.status for each in answers} - {200}:
        raise SystemExit(f"{page.path} answers with {bad}")
    queries, queries_ms = count_queries(client, page.path)
    return Row(
        page,
        min(each.took_s for each in answers) * 1000,
        median_ms(answers),
        percentile_ms(answers, 90),
        cpu_ms,
        queries,
        queries_ms,
    )


def cpu_s(running: Service) -> float:
    """Return the CPU seconds that the web processes have used; ticks are 10 ms."""
    pids = [running.web.pid, *children_of(running.web.pid)]
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def count_queries(client: Any, path: str) -> tuple[int, float]:
    """Return the number of a page's queries, and the ms that all of them take."""
    from django.db import connection

    times: list[float] = []

    def timed(execute: Any, *arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            times.append((time.perf_counter() - started) * 1000)

    totals = []
    for _ in range(WARM_UP + TIMES_IN_PROCESS):
        times.clear()
        with connection.execute_wrapper(timed):
            client.get(path)
        totals.append(sum(times))
    return len(times), statistics.median(totals[WARM_UP:])


def print_table(rows: list[Row]) -> None:
    """Print the pages, slowest first."""
    heads = ("best", "median", "p90", "CPU", "queries", "in them")
    print(f"\n{'page; times in ms':44} " + " ".join(f"{head:>7}" for head in heads))
    for row in sorted(rows, key=lambda row: -row.median_ms):
        print(row)
    for kind, bar in BARS_MS.items():
        slowest = max(row.median_ms for row in rows if row.page.kind == kind)
        print(f"{kind}: at most {bar} ms, slowest {slowest:.1f} ms")


if __name__ == "__main__":
    main()
