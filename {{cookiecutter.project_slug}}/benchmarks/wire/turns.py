"""What `make bench` sends, to whom, and what it measures in one turn."""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Request
from benchmarks.service import (
    CREATED,
    HEADERS,
    LABEL_CONFIG,
    ROOT,
    children_of,
    gunicorn,
    servers,
    service,
    wait_until_ready,
)
from benchmarks.wire import usage
from benchmarks.wire.checks import Checks
from benchmarks.wire.load import Load, post
from tests.chaos.servers import free_port

BARE = "bare"
OURS = "ours"
_WORKER_TMP_DIR = "/dev/shm" if Path("/dev/shm").is_dir() else "/tmp"


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of request, and the bare view that does the least for it."""

    name: str
    body: bytes
    path: str
    bare_path: str
    tables: tuple[str, ...]  # that the service writes to
    rows: int = 1  # that each answer leaves in each table
    connections: int = 8


def _predict(tasks: int) -> bytes:
    body = {
        "tasks": [
            {"id": number, "data": {"text": "I love this product"}}
            for number in range(1, tasks + 1)
        ],
        "project": f"1.{CREATED}",
        "label_config": LABEL_CONFIG,
        "params": {"login": None, "password": None, "context": None},
    }
    return json.dumps(body).encode()


def _webhook() -> bytes:
    file = ROOT / "tests/protocol/webhook/annotation_created.json"
    return json.dumps(json.loads(file.read_text())["request"]).encode()


_PREDICTIONS = ("audit_prediction",)
ONE = Work("`/predict`, 1 task", _predict(1), "/predict", "/body", _PREDICTIONS)
TEN = Work("`/predict`, 10 tasks", _predict(10), "/predict", "/tasks", _PREDICTIONS, 10)
# For comparison only: no promise.
TEN_BY_HAND = Work(
    "`/predict`, 10 tasks; bare by hand",
    _predict(10),
    "/predict",
    "/tasks-by-hand",
    _PREDICTIONS,
    10,
)
EVENT = Work(
    "`/webhook`, an annotation",
    _webhook(),
    "/webhook",
    "/body",
    ("audit_webhookevent", "training_inboxentry"),
)
MANY = Work(
    "`/predict`, 5,000 tasks, 1 connection",
    _predict(5000),
    "/predict",
    "/tasks",
    _PREDICTIONS,
    5000,
    connections=1,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn measured."""

    load: Load
    web_ms: float  # CPU time per good answer, of all processes of gunicorn
    database_ms: float  # the same of PostgreSQL


@dataclass(frozen=True, slots=True)
class Side:
    """The service, or what it is compared with."""

    name: str
    port: int
    master: int  # process id of gunicorn's master

    def request(self, work: Work) -> Request:
        """Return the request of a work for this side."""
        path = work.bare_path if self.name == BARE else work.path
        return Request(self.port, path, work.body, HEADERS)

    def tables(self, work: Work) -> tuple[str, ...]:
        """Return the tables to which this side writes the rows of a work."""
        return ("bench_bare",) if self.name == BARE else work.tables


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Both sides, ready to be measured."""

    folder: Path
    seconds: int  # of a turn
    turns: int
    sides: tuple[Side, Side]  # bare, ours
    checks: Checks

    @property
    def ours(self) -> Side:
        """The service."""
        return self.sides[1]

    def compare(self, *works: Work) -> dict[Work, dict[str, list[Turn]]]:
        """Measure both sides of each work in turn, after a second to warm up each.

        Each work gets one turn before any gets its next: what else the machine does for
        half a minute spoils one turn of each, which the medians ignore.
        """
        pairs = [(side, work) for work in works for side in self.sides]
        tables = dict.fromkeys(
            table for side, work in pairs for table in side.tables(work)
        )
        found: dict[Work, dict[str, list[Turn]]] = {
            work: {side.name: [] for side in self.sides} for work in works
        }
        with self.checks.rows_of(tables):
            for side, work in pairs:
                self.measure(side, work, seconds=1)
            for number in range(self.turns):
                for side, work in pairs if number % 2 == 0 else pairs[::-1]:
                    turn = self.measure(side, work)
                    found[work][side.name].append(turn)
                    name = f"{work.name}, {side.name}"
                    show(name, turn.load)
                    if turn.load.errors:
                        self.checks.wrong.append(f"{name}: {turn.load.errors} errors")
        return found

    def measure(
        self,
        side: Side,
        work: Work,
        *,
        connections: int | None = None,
        seconds: int | None = None,
    ) -> Turn:
        """Measure one turn of one side."""
        connections = connections or work.connections
        time.sleep(0.2)  # until the last requests of the turn before are answered
        postmaster = self._postmaster()
        web, database = usage.cpu_s(side.master), usage.cpu_s(postmaster)
        load = post(
            side.request(work),
            connections=connections,
            seconds=seconds or self.seconds,
            folder=self.folder,
        )
        web = usage.cpu_s(side.master) - web
        database = usage.cpu_s(postmaster) - database
        self.checks.add(load, side.tables(work), work.rows, connections)
        good = max(1, load.good)
        return Turn(load, web * 1000 / good, database * 1000 / good)

    def memory_growth_mb(self, side: Side, do: Callable[[], object]) -> float:
        """Return by how much a web process of a side grew at most while `do` ran."""
        before = {}
        for pid in children_of(side.master):
            usage.reset_peak_memory(pid)
            before[pid] = usage.memory_mb(pid)
        do()
        return max(usage.peak_memory_mb(pid) - was for pid, was in before.items())

    def _postmaster(self) -> int:
        file = self.folder / "postgres/postmaster.pid"
        return int(file.read_text().split()[0])


def median(turns: list[Turn], figure: Callable[[Turn], float]) -> float:
    """Return the median of a figure over turns."""
    return statistics.median(map(figure, turns))


def show(name: str, load: Load) -> None:
    """Print a turn at once, for those who wait."""
    print(
        f"{name:42} {load.per_second:7.1f}/s  p50 {load.p50_ms:7.1f} ms"
        f"  p99 {load.p99_ms:7.1f} ms  errors {load.errors}",
        file=sys.stderr,
        flush=True,
    )


@contextmanager
def benchmark(folder: Path, *, seconds: int, turns: int) -> Iterator[Benchmark]:
    """Start the servers and both sides."""
    with ExitStack() as stack:
        stack.enter_context(servers(folder))
        bare = stack.enter_context(_bare())
        ours = stack.enter_context(
            service(
                folder,
                model="tests.models.constant.ConstantModel",
                placement="web",
                LOG_LEVEL="INFO",  # as in production
            )
        )
        sides = (bare, Side(OURS, ours.port, ours.web.pid))
        yield Benchmark(folder, seconds, turns, sides, Checks())


@contextmanager
def _bare() -> Iterator[Side]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_bare (id bigserial PRIMARY KEY, body text)")
    port = free_port()
    options = [
        *("--worker-class", "gthread", "--workers", "2", "--threads", "8"),
        *("--bind", f"127.0.0.1:{port}", "--worker-tmp-dir", _WORKER_TMP_DIR),
        "--no-control-socket",
    ]
    environment = {**os.environ, "PORT": str(port)}
    with gunicorn("bare", options, "benchmarks.bare", environment) as master:
        side = Side(BARE, port, master.pid)
        wait_until_ready(side.request(ONE))
        yield side
