"""Measures what grows with the audit log: ten thousand predictions, ten million.

    make bench-audit [ARGS="--rows 10000000 --rounds 20 --server postgresql://…/postgres"]

Fills two databases and measures them alternately in many short turns, so that changes
in the machine's speed affect both alike. Requests go through Django's whole stack, in
one process per database. Ten million rows take about ten minutes to write and 6 GB of
disk. Without --server an embedded PostgreSQL is started.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

PROJECT = Path(__file__).resolve().parent.parent
# Rows of the table that is printed, and whether growth is judged.
ROWS = {
    "predict_ms": "POST /predict, one task: median ms",
    "webhook_ms": "POST /webhook: median ms",
    "list_ms": "admin list: median ms",
    "list_deep_ms": "admin list, far down: median ms",
    "search_task_ms": "admin, search by task: median ms",
    "detail_ms": "admin, a prediction: median ms",
    "home_ms": "admin home: median ms",
    "api_version_ms": "REST, by project and version: median ms",
    "api_old_version_ms": "REST, by a version no longer used: median ms",
    "api_request_ms": "REST, by request id: median ms",
    "api_error_ms": "REST, errors: median ms",
    "api_time_ms": "REST, by time range: median ms",
    "seal_lag_s": "seal lag, 200 rows/s, 1 pass/s: median s",
    "seal_pass_ms": "one sealing pass under that load: median ms",
    "verify_per_s": "verify: rows/s",
    "verify_per_core_s": "verify: rows per second of CPU",
    "export_per_s": "export as JSON lines: rows/s",
    "bytes_per_row": "bytes per row, indexes included",
}


def main() -> None:
    """Fill both databases, measure them in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=20, help="turns of the pages")
    parser.add_argument("--server", help="URL of a database on the server to use")
    args = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = args.server or _embedded(stack, folder)
        sizes = {"growth_small": args.small, "growth_large": args.rows}
        for name, rows in sizes.items():
            _fill(server, name, rows)
        processes = {
            name: stack.enter_context(_process(server, name)) for name in sizes
        }
        found: dict[str, dict[str, list[float]]] = {name: {} for name in sizes}
        for what in ["pages"] * args.rounds + ["sealing"] * 3 + ["all"]:
            for name, process in processes.items():
                print(f"{name}: {what}", file=sys.stderr, flush=True)
                for figure, values in _ask(process, what).items():
                    found[name].setdefault(figure, []).extend(values)
    _print_table(args, found)


def _environment(server: str, database: str) -> dict[str, str]:
    parts = urlsplit(server)
    url = urlunsplit(parts._replace(path=f"/{database}"))
    if not parts.netloc:  # urlunsplit drops the empty host of a socket's URL
        url = url.replace("postgresql:/", "postgresql:///", 1)
    return {
        **os.environ,
        "ENV_FILE": os.devnull,
        "DATABASE_URL": url,
        "CELERY_BROKER_URL": "memory://",  # accepts every message
        "SECRET_KEY": "bench-" + "x" * 50,
        "MODEL_CLASS": "tests.models.constant.ConstantModel",
        "HTTPS": "false",
        "ALLOWED_HOSTS": "testserver",
        "LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "API_RATE": "1000000/min",
    }


def _embedded(stack: ExitStack, folder: Path) -> str:
    from lsml.embedded.addresses import database_url
    from lsml.embedded.servers import running

    stack.enter_context(running(folder, broker=False))
    return database_url(folder)


def _fill(server: str, name: str, rows: int) -> None:
    """Create and fill the database, unless an earlier run did."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        known = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
        if known:
            print(f"{name} exists and is used as it is (drop it to fill it again)")
            return
        connection.execute(f"CREATE DATABASE {name}")
    environment = _environment(server, name)
    for words in (["migrate", "-v0"], ["seed", "--predictions", str(rows)]):
        subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=PROJECT,
            env=environment,
            check=True,
        )


@contextmanager
def _process(server: str, name: str):
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.audit_figures"],
        cwd=PROJECT,
        env=_environment(server, name),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()


def _ask(process, what: str) -> dict[str, list[float]]:
    process.stdin.write(f"{what}\n")
    process.stdin.flush()
    figures: dict[str, list[float]] = json.loads(process.stdout.readline())
    return figures


def _print_table(args, found) -> None:
    heads = [f"{args.small:,} rows", f"{args.rows:,} rows", "growth"]
    print(f"\n| {'':50} | {heads[0]:>15} | {heads[1]:>15} | {heads[2]:>6} |")
    print(f"|{'-' * 52}|{'-' * 17}|{'-' * 17}|{'-' * 8}|")
    for name, label in ROWS.items():
        small, large = (statistics.median(each[name]) for each in found.values())
        growth = large / small if small else float("nan")
        print(f"| {label:50} | {small:>15,.2f} | {large:>15,.2f} | {growth:>6.2f} |")


if __name__ == "__main__":
    main()
