"""Compares `/predict` and its audit row with a bare DRF view and one insert.

    .venv/bin/python -m benchmarks.predict_throughput [--seconds 5] [--rounds 3]

A constant model, one task per request, 8 connections, gunicorn with 2 workers of 8
threads, PostgreSQL from the wheel with fsync on. The two take turns, so that changes in
the machine's speed affect both alike.
"""

import argparse
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.load import Figures, run_load

PROJECT = Path(__file__).resolve().parent.parent
CLIENTS = 8
BODY = json.dumps(
    {
        "tasks": [{"id": 1, "data": {"text": "I love this product"}}],
        "project": "1.1795433940",
        "label_config": '<View><Text name="text" value="$text"/><Choices'
        ' name="sentiment" toName="text"><Choice value="Positive"/></Choices></View>',
        "params": {"login": None, "password": None, "context": None},
    }
).encode()
HEADERS = {"Authorization": "Basic " + base64.b64encode(b"bench:bench").decode()}


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
                _gunicorn("benchmarks.bare:application", 9391)
            ),
            "/predict + audit row": stack.enter_context(
                _gunicorn("config.wsgi:application", 9392)
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
    os.environ |= {
        "ENV_FILE": os.devnull,
        "LSML_DATA_DIR": str(folder),
        "SECRET_KEY": "bench-" + "x" * 50,
        "MODEL_CLASS": "tests.models.constant.ConstantModel",
        "BASIC_AUTH_USER": "bench",
        "BASIC_AUTH_PASS": "bench",
        "HTTPS": "false",
        "LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "WEB_WORKERS": "2",
        "WEB_THREADS": "8",
    }
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from lsml.embedded.servers import running

    with running(folder, broker=False):
        call_command("migrate", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bench_bare (id bigserial, body text)")
        connection.close()
        yield


@contextmanager
def _gunicorn(application: str, port: int):
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn"),
            *("-c", "config/gunicorn.py", application),
        ],
        cwd=PROJECT,
        env={**os.environ, "PORT": str(port), "LSML_PROCESS": "web"},
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/predict",
                BODY,
                {"Content-Type": "application/json", **HEADERS},
            )
            urllib.request.urlopen(request, timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"nothing answers at port {port}")


if __name__ == "__main__":
    main()
