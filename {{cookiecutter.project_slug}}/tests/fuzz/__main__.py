"""Entry: `python -m tests.fuzz --requests 20000 --seed 1 --placement process`."""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.playground import Playground, service_environment

CLIENTS = 6
# How much larger a process may be in the third quarter than in the second. In a run of
# fewer requests than LONG, caches are still filling.
GROWTH_MAX, GROWTH_MAX_SHORT = 1.1, 1.5
LONG = 10_000


def main():
    """Start the service, send the requests, check the bars and the books."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stops the service as well
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=options.folder))
    environment = service_environment(folder, options.placement) | {
        "SECRET_KEY": "fuzz-" + "x" * 50,
        "API_RATE": "1000000/min",
        "API_RATE_ANONYMOUS": "1000000/min",
        "CHAOS_TRAINING_S": "0.1",
        "CHAOS_STEPS": "1",
    }
    os.environ.update(environment)  # before Django reads its settings
    from tests.chaos.servers import (
        Database,
        ValkeyBroker,
        free_port,
        migrate,
        start_servers,
    )

    database, broker = Database(folder), ValkeyBroker(folder)
    os.environ["CELERY_BROKER_URL"] = environment["CELERY_BROKER_URL"] = broker.url
    try:
        start_servers(folder, database, broker)
        migrate()
        holds = _play(options, folder, environment, free_port())
    finally:
        broker.stop()
        database.stop()
    if holds and not options.keep:
        shutil.rmtree(folder)
    else:
        print(f"logs, tables and faults are kept in {folder}")
    sys.exit(not holds)


def _options():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--requests", type=int, default=1_500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--placement",
        choices=["web", "process"],
        default="process",
        help="where the models are: MODEL_PLACEMENT",
    )
    parser.add_argument(
        "--slow-s",
        type=float,
        default=5.0,
        help="seconds that an answer may take; more on a machine that is busy",
    )
    parser.add_argument("--folder", help="where to put data and logs")
    parser.add_argument("--keep", action="store_true", help="keep logs and tables")
    return parser.parse_args()


def _play(options, folder, environment, port):
    from tests.chaos.healing import wait_until_ready
    from tests.fuzz.bars import Bars
    from tests.fuzz.books import check_books
    from tests.fuzz.memory import usual_mb
    from tests.fuzz.recipes import Recipes

    playground = Playground(folder, environment, port=port)
    recipes, bars = Recipes(), Bars(folder / "faults", slow_s=options.slow_s)
    measured = [
        playground.programs[name]
        for name in ("web", "model")
        if name in playground.programs
    ]
    playground.start()
    try:
        wait_until_ready(port)
        started, sizes = time.monotonic(), []
        for quarter in range(4):
            first = quarter * options.requests // 4
            last = (quarter + 1) * options.requests // 4
            with usual_mb(measured) as size:
                _send(range(first, last), options.seed, port, recipes, bars)
            sizes.append(size)
            took_s = time.monotonic() - started
            print(f"{took_s:6.0f} s  {last} requests, {_sizes(sizes[-1])}", flush=True)
        lines = [*_verdicts(bars, sizes, options.requests)]
        lines += check_books(
            bars, port=port, token=recipes.token, environment=os.environ | environment
        )
    finally:
        playground.stop()
    done = f"{options.requests} requests, seed {options.seed}, {took_s:.0f} s"
    print(f"\nfuzz: {done}, models in {options.placement}")
    counts = ", ".join(f"{status} ×{n}" for status, n in sorted(bars.statuses.items()))
    print(f"  {counts}")
    for holds, sentence in lines:
        print(f"  {'ok  ' if holds else 'FAIL'} {sentence}")
    return all(holds for holds, _ in lines)


def _send(numbers, seed, port, recipes, bars):
    """Send attempts with several clients; each attempt depends on seed and number."""
    from tests.fuzz.wire import Connection

    waiting, lock = iter(numbers), threading.Lock()

    def run():
        connection = Connection(port)
        while True:
            with lock:
                number = next(waiting, None)
            if number is None:
                break
            rng = random.Random(f"{seed}-{number}")
            attempt = recipes.attempt(rng)
            if rng.random() < 0.1:
                connection.close()
            answers = connection.exchange(attempt, rng)
            bars.check(number, attempt, answers)
            if answers[0].status == 200:
                recipes.learn(attempt.requests[0].target, answers[0].body)
        connection.close()

    with ThreadPoolExecutor(CLIENTS) as clients:
        for client in [clients.submit(run) for _ in range(CLIENTS)]:
            client.result()


def _verdicts(bars, sizes, requests):
    reasons = (
        ", ".join(f"{code} ×{n}" for code, n in bars.unavailable.items()) or "none"
    )
    faults = "; ".join(f"{fault} ×{n}" for fault, n in bars.faults.items()) or "none"
    yield not bars.faults, f"faults: {faults or 'none'}"
    yield True, f"answers of 503: {reasons or 'none'}"
    yield True, "slowest answer: {:.1f} s ({})".format(*bars.slowest)
    most = GROWTH_MAX if requests >= LONG else GROWTH_MAX_SHORT
    for name, before in sizes[1].items():
        after = sizes[2][name]
        grown = f"{before:.0f} MB in the second quarter, {after:.0f} MB in the third"
        yield (
            after <= before * most,
            f"memory of {name}: {grown}; at most {most - 1:.0%} more",
        )


def _sizes(sizes):
    return ", ".join(f"{name} {size:.0f} MB" for name, size in sizes.items())


if __name__ == "__main__":
    main()
