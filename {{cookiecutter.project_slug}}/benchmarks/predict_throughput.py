"""Compares `/predict` and its audit row with a bare DRF view and one insert.

    .venv/bin/python -m benchmarks.predict_throughput [--seconds 5] [--rounds 3]

A constant model, one task per request, 8 connections, gunicorn with 2 workers of 24
threads, PostgreSQL from the wheel with fsync on. The two take turns, so that changes in
the machine's speed affect both alike.
"""

import argparse
import json
import os
import statistics
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.load import Figures, Request, run_load
from benchmarks.service import (
    HEADERS,
    LABEL_CONFIG,
    gunicorn,
    servers,
    wait_until_ready,
)
from tests.chaos.servers import free_port

CLIENTS = 8
BODY = json.dumps(
    {
        "tasks": [{"id": 1, "data": {"text": "I love this product"}}],
        "project": "1.1795433940",
        "label_config": LABEL_CONFIG,
        "params": {"login": None, "password": None, "context": None},
    }
).encode()


def main() -> None:
    """Measure both in turns and print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(_database(folder))
        ports = {
            "bare view + insert": stack.enter_context(
                _gunicorn("benchmarks.bare:application")
            ),
            "/predict + audit row": stack.enter_context(
                _gunicorn("config.wsgi:application")
            ),
        }
        found: dict[str, list[Figures]] = {name: [] for name in ports}
        for port in ports.values():  # warm up: connections, model, code
            run_load(port, "/predict", BODY, clients=4, seconds=1, headers=HEADERS)
        for _ in range(args.rounds):
            for name, port in ports.items():
                figures = run_load(
                    port,
                    "/predict",
                    BODY,
                    clients=CLIENTS,
                    seconds=args.seconds,
                    headers=HEADERS,
                )
                print(f"{name:22} {figures}", flush=True)
                found[name].append(figures)
    bare, ours = (
        statistics.median(each.per_second for each in figures)
        for figures in found.values()
    )
    print(f"\nmedians: bare {bare:.0f}/s, ours {ours:.0f}/s: {ours / bare:.2f} of bare")


@contextmanager
def _database(folder: Path):
    with servers(folder, broker=False):
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bench_bare (id bigserial, body text)")
        yield


@contextmanager
def _gunicorn(application: str):
    port = free_port()
    environment = {**os.environ, "PORT": str(port), "WEB_WORKERS": "2"}
    with gunicorn("web", "gunicorn.py", application, environment):
        wait_until_ready(Request(port, "/predict", BODY, HEADERS))
        yield port


if __name__ == "__main__":
    main()
