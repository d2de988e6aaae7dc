"""Entry: `python -m tests.chaos --actions 100 --seed 1 --broker valkey`."""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.playground import LEASE_S, Playground, service_environment


def main():
    """Start everything, inject faults, wait for recovery, check the ledger."""
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=options.folder))
    environment = service_environment(folder, options.placement)
    os.environ.update(environment)  # before Django reads its settings
    from tests.chaos.hosts import Hosts, connect_hosts
    from tests.chaos.servers import (
        Database,
        RabbitBroker,
        ValkeyBroker,
        free_port,
        migrate,
        start_servers,
    )

    hosts = Hosts() if options.hosts == 2 else None
    database = Database(folder)
    rabbit = options.broker == "rabbitmq"
    broker = RabbitBroker(folder) if rabbit else ValkeyBroker(folder)
    environment["CELERY_BROKER_URL"] = broker.url
    os.environ["CELERY_BROKER_URL"] = broker.url
    servers = [broker, database]
    try:
        start_servers(folder, database, broker)
        if hosts:
            hosts.build()
            servers.insert(
                0, connect_hosts(hosts, folder, environment, broker, free_port())
            )
        migrate()
        balanced = _play(
            options, folder, environment, database, broker, free_port(), hosts
        )
    finally:
        for server in servers:
            server.stop()
        if hosts:
            hosts.tear_down()
    if balanced and not options.keep:
        shutil.rmtree(folder)
    else:
        print(f"logs and tables are kept in {folder}")
    sys.exit(not balanced)


def _options():
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--actions", type=int, default=20, help="faults to inject")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--broker", choices=["valkey", "rabbitmq"], default="valkey")
    parser.add_argument(
        "--hosts",
        type=int,
        choices=[1, 2],
        default=1,
        help="2: training workers in network namespaces, artifacts on S3 (needs root)",
    )
    parser.add_argument(
        "--placement",
        choices=["web", "process"],
        default="process",
        help="where the models are: MODEL_PLACEMENT",
    )
    parser.add_argument("--projects", type=int, default=3)
    parser.add_argument("--heal-s", type=float, default=180, help="seconds to recover")
    parser.add_argument("--folder", help="where to put data and logs")
    parser.add_argument("--keep", action="store_true", help="keep logs and tables")
    return parser.parse_args()


def _play(options, folder, environment, database, broker, port, hosts):
    from tests.chaos.faults import Faults
    from tests.chaos.healing import heal, wait_until_ready
    from tests.chaos.ledger import Ledger
    from tests.chaos.load import Load

    playground = Playground(folder, environment, port=port, hosts=hosts)
    load = Load(port, projects=options.projects, seed=options.seed, pause_s=0.1)
    faults = Faults(playground, database, broker, seed=options.seed, lease_s=LEASE_S)
    playground.start()
    try:
        wait_until_ready(port)
        load.start()
        try:
            started = time.monotonic()
            for number in range(1, options.actions + 1):
                time.sleep(faults.rng.uniform(0.5, 4.0))
                what = faults.inject()
                at_s = time.monotonic() - started
                print(f"{at_s:7.1f} s  {number:3}  {what}", flush=True)
        finally:
            faults.repair()
            load.stop()
        took_s = heal(timeout_s=options.heal_s)
    finally:
        playground.stop()
    seen = load.seen
    ledger = Ledger(seen)
    where = f"models in {options.placement}"
    done = f"{options.actions} faults, seed {options.seed}, {broker.name}, {where}"
    print(f"\nchaos: {done}")
    print("  " + ", ".join(f"{name} ×{n}" for name, n in faults.done.most_common()))
    print(
        f"  error responses: {seen.refused}, no response: {seen.unanswered},"
        f" recovered {took_s:.0f} s after the last fault"
    )
    print("  webhook " + _spread(seen.webhook_ms))
    print("  predict " + _spread(seen.predict_ms))
    print(f"ledger\n{ledger}")
    print("balanced" if ledger.balanced else "NOT BALANCED")
    return ledger.balanced


def _spread(times_ms):
    if len(times_ms) < 2:
        return "never called"
    cuts = statistics.quantiles(times_ms, n=100)
    return (
        f"{len(times_ms)} calls, p50 {cuts[49]:.0f} ms, p95 {cuts[94]:.0f} ms,"
        f" p99 {cuts[98]:.0f} ms, longest {max(times_ms):.0f} ms"
    )


if __name__ == "__main__":
    main()
