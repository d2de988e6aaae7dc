"""Entry: `python -m tests.chaos --actions 100 --seed 1 --broker valkey`."""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.disks import Disks, enter_namespace
from tests.chaos.playground import LEASE_S, Playground, service_environment


def main():
    """Start everything, inject faults, wait for recovery, check the ledger."""
    options = _options()
    mounts = enter_namespace()
    if not mounts:
        print("left out: faults of disks, which need root and the right to mount")
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=options.folder))
    environment = service_environment(folder, options.placement)
    os.environ.update(environment)  # before Django reads its settings
    from tests.chaos.crashes import crash_environment
    from tests.chaos.hosts import Hosts, connect_hosts
    from tests.chaos.pgbouncer import PgBouncer
    from tests.chaos.servers import (
        Database,
        RabbitBroker,
        ValkeyBroker,
        free_port,
        migrate,
    )
    from tests.chaos.servers_down import Servers

    hosts = Hosts() if options.hosts == 2 else None
    rabbit = options.broker == "rabbitmq"
    broker = RabbitBroker(folder) if rabbit else ValkeyBroker(folder)
    servers = Servers(Database(folder), broker)
    environment["CELERY_BROKER_URL"] = broker.url
    os.environ["CELERY_BROKER_URL"] = broker.url
    disks = Disks(_disks(folder, hosts)) if mounts else None
    balanced = False
    try:
        _start(folder, servers, disks)
        if hosts:
            hosts.build()
            servers.s3 = connect_hosts(hosts, folder, environment, broker, free_port())
        migrate()
        _record_attempts()
        environment |= crash_environment(folder)
        environment["TMPDIR"] = str(folder / "tmp")
        if options.pgbouncer:
            servers.pgbouncer = PgBouncer(folder)
            servers.pgbouncer.start()
            environment["DATABASE_URL"] = servers.pgbouncer.url
            environment["DATABASE_PGBOUNCER"] = "true"
        balanced = _play(
            options, folder, environment, servers, disks, free_port(), hosts
        )
    finally:
        servers.stop()
        if hosts:
            hosts.tear_down()
        if disks and (options.keep or not balanced):
            disks.keep()
        if disks:
            disks.unmount()
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
        "--pgbouncer",
        action="store_true",
        help="PgBouncer in front of PostgreSQL, pooling transactions",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="WORD",
        help="only faults with one of these words in their names, such as `disk`",
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
    options = parser.parse_args()
    if options.pgbouncer and options.hosts == 2:
        parser.error("--pgbouncer and --hosts 2 exclude each other")
    return options


def _disks(folder, hosts):
    """Return the folders that get a file system of their own."""
    return {
        "postgres": folder / "postgres",
        "artifacts": folder / ("s3" if hosts else "artifacts"),
        "artifact cache": folder / "artifact-cache",
        "runs": folder / "runs",
        "temporary files": folder / "tmp",
    }


def _start(folder, servers, disks):
    from lsml.embedded.folders import prepare_folders

    prepare_folders(folder)
    (folder / "tmp").mkdir()
    servers.database.start()
    if disks:
        servers.database.stop()
        disks.mount()
        servers.database.start()
    servers.broker.start()


def _record_attempts():
    from tests.chaos.ledger import record_attempts  # needs Django

    record_attempts()


def _play(options, folder, environment, servers, disks, port, hosts):
    from tests.chaos.faults import Faults
    from tests.chaos.healing import heal, wait_until_ready
    from tests.chaos.ledger import Ledger
    from tests.chaos.load import Load

    playground = Playground(folder, environment, port=port, hosts=hosts)
    load = Load(port, projects=options.projects, seed=options.seed, pause_s=0.1)
    faults = Faults(
        playground,
        servers,
        disks,
        seed=options.seed,
        lease_s=LEASE_S,
        only=options.only,
    )
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
    name = servers.broker.name + (", pgbouncer" if options.pgbouncer else "")
    done = f"{options.actions} faults, seed {options.seed}, {name}, {where}"
    print(f"\nchaos: {done}")
    print("  " + ", ".join(f"{name} ×{n}" for name, n in faults.done.most_common()))
    print(f"  processes that died in a named function: {faults.reached}")
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
