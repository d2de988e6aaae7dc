"""Measures where models are: in the web processes, or in a process of their own.

    make bench-placements [ARGS="--only busy --quick"]

Real servers on this machine: PostgreSQL with durable commits, the broker, gunicorn for
web and for the models, and clients in processes of their own. Where two are compared,
they take turns, so that changes in the machine's speed affect both alike. Takes about a
quarter of an hour.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.placement.batching import batching
from benchmarks.placement.busy import busy
from benchmarks.placement.clicks import clicks
from benchmarks.placement.interactive import interactive
from benchmarks.placement.kill import kill
from benchmarks.placement.measuring import Measuring, Row
from benchmarks.placement.memory import memory
from benchmarks.service import servers

BARS: dict[str, Callable[[Measuring], Iterable[Row]]] = {
    each.__name__: each for each in (memory, busy, batching, interactive, kill, clicks)
}


def main() -> None:
    """Measure the chosen bars, print the table, and fail if one does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.placements")
    parser.add_argument("--only", choices=list(BARS), action="append")
    parser.add_argument("--quick", action="store_true", help="shorter, less exact")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends what was started
    print(f"cores {os.cpu_count()}, load {_load()}", flush=True)
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        servers(Path(folder)),
    ):
        for name in options.only or BARS:
            print(f"{name} (load {_load()}) …", flush=True)
            for row in BARS[name](Measuring(Path(folder), options.quick)):
                print(row, flush=True)
                rows.append(row)
    _print_table(rows)
    sys.exit(any(row.holds is False for row in rows))


def _load() -> str:
    return " ".join(f"{average:.1f}" for average in os.getloadavg())


def _print_table(rows: list[Row]) -> None:
    print("\n| what | required | measured | |\n|---|---|---|---|")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
