"""Measures how fast requests are answered, beside a bare view that inserts a row.

    make bench [ARGS="--write"]

Prints the table of docs/performance.md, and with --write saves it there. Takes about
four minutes. Needs wrk, and Linux. What is compared, and how, is described there.
"""

import argparse
import os
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.load import Answer, Request, percentile_ms, send_evenly
from benchmarks.service import HEADERS
from benchmarks.wire.load import require_tools
from benchmarks.wire.report import CROWD, Crowd, Many, Report, write
from benchmarks.wire.turns import (
    EVENT,
    MANY,
    ONE,
    TEN,
    TEN_BY_HAND,
    Benchmark,
    Turn,
    Work,
    benchmark,
    show,
)

PROBES_PER_S = 25


def main() -> None:
    """Measure, print the tables, and fail if a promise does not hold."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--seconds", type=int, default=3, help="length of a turn")
    parser.add_argument("--turns", type=int, default=5, help="of each side")
    parser.add_argument(
        "--write", action="store_true", help="save the tables in docs/performance.md"
    )
    options = parser.parse_args()
    require_tools()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends what was started
    load_before = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        benchmark(
            Path(folder), seconds=options.seconds, turns=options.turns
        ) as measured,
    ):
        report = Report(
            turns=options.turns,
            seconds=options.seconds,
            load_before=load_before,
            compared=measured.compare(ONE, TEN, TEN_BY_HAND, EVENT),
            crowd=_crowd(measured),
            many=_many(measured),
        )
        checks = measured.checks
    print(f"\n{report}\n\n{checks}")
    if options.write and not checks.wrong:
        write(report)
    sys.exit(bool(checks.wrong) or not report.holds)


def _crowd(measured: Benchmark) -> Crowd:
    """Compare 64 connections with 8, and probe `/health` beside both."""
    ours = measured.ours
    few, many, probes = [], [], []
    with measured.checks.rows_of(ours.tables(ONE)):
        for _ in range(measured.turns):
            few.append(_beside_probes(measured, connections=ONE.connections)[0])
            show(f"{ONE.connections} connections, ours", few[-1].load)
            turn, answers = _beside_probes(measured, connections=CROWD)
            many.append(turn)
            probes += answers
            show(f"{CROWD} connections, ours", turn.load)
    return Crowd(
        few,
        many,
        health_p99_ms=percentile_ms(probes, 99),
        unhealthy=sum(each.status != 200 for each in probes),
    )


def _beside_probes(
    measured: Benchmark, *, connections: int
) -> tuple[Turn, list[Answer]]:
    """Measure predictions of one task, while `/health` is asked for as well."""
    health = Request(measured.ours.port, "/health", None, HEADERS)
    seconds = measured.seconds
    with ThreadPoolExecutor(1) as thread:
        answers = thread.submit(
            send_evenly, {"": health}, PROBES_PER_S * seconds, float(seconds), 10.0
        )
        turn = measured.measure(measured.ours, ONE, connections=connections)
        return turn, answers.result()[""]


def _many(measured: Benchmark) -> Many:
    found: dict[Work, dict[str, list[Turn]]] = {}
    growth_mb = measured.memory_growth_mb(
        measured.ours, lambda: found.update(measured.compare(MANY))
    )
    return Many(found[MANY], growth_mb)


if __name__ == "__main__":
    main()
