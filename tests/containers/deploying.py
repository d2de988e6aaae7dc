"""Deploys a second version, with a migration, while requests arrive."""

import time

from demo.screen import StepFailed, expect, step
from tests.containers.composed import PORT, Containers
from tests.containers.load import Load
from tests.migrating import MIGRATIONS, add_migration

BEFORE_S = AFTER_S = 5.0  # of load, around the deploy
UNCHANGED = "Nothing was changed: the old version is still running."
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


def fail_to_deploy(containers: Containers, texts: list[tuple[str, str]]) -> None:
    """Check that the running version goes on serving when a new one does not start."""
    before = _running(containers)
    model = containers.project / "model.py"
    code = model.read_text()
    with step("make deploy, with an error in model.py") as shown:
        model.write_text(f"{code}\nclass (\n")
        try:
            said = _fail(containers, UNCHANGED, "make", "deploy")
        finally:
            model.write_text(code)
        expect("SyntaxError" in said, said)
        expect(containers.predict(texts[:1]) == 200, "predictions fail")
        shown.outcome = "nothing was changed"
    expect(_running(containers) == before, "containers were replaced or left behind")


def _fail(containers: Containers, sentence: str, *command: str) -> str:
    """Run a command that has to fail with this sentence; return its output."""
    try:
        containers.run(*command)
    except StepFailed as failure:
        expect(sentence in str(failure), str(failure))
        return str(failure)
    raise StepFailed(f"{' '.join(command)} succeeded")


def _running(containers: Containers) -> set[str]:
    return set(containers.compose("ps", "--quiet", *OURS).split())
