"""Deploys a second version, with a migration, while requests arrive."""

import time

from demo.screen import expect, step
from tests.containers.composed import PORT, Containers
from tests.containers.load import Load
from tests.migrating import MIGRATIONS, add_migration

BEFORE_S = AFTER_S = 5.0  # of load, around the deploy
OURS = ("web1", "web2", "model", "background-model", "worker", "training", "beat")


def deploy(containers: Containers, texts: list[tuple[str, str]]) -> None:
    """Check that clients do not notice a deploy."""
    migration = add_migration(containers.project)
    before = _running(containers)
    load = Load(containers.studio, texts, PORT)
    with step("make deploy, with a migration"), load:
        time.sleep(BEFORE_S)
        containers.run("make", "deploy")
        time.sleep(AFTER_S)
    failed = "\n".join(str(answer) for answer in load.failed)
    with step("no request failed meanwhile") as shown:
        expect(not failed, failed)
        shown.outcome = f"of {len(load.answers)}; slowest: {load.slowest}"
    with step("every container is a new one") as shown:
        after = _running(containers)
        expect(len(after) == len(before), f"{len(before)} → {len(after)} containers")
        expect(not before & after, "an old container is still running")
        for name in OURS:
            found = containers.exec(name, "ls", MIGRATIONS)
            expect(migration in found, f"{name} has the old code")
        shown.outcome = f"{len(after)} containers"


def _running(containers: Containers) -> set[str]:
    return set(containers.compose("ps", "--quiet", *OURS).split())
