"""The manifests of Kubernetes run what compose.yaml runs, with as few secrets."""

from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]
BASE = PROJECT / "deploy/kubernetes/base"
EXAMPLE = (PROJECT / ".env.example").read_text()
PROCESSES = ["web", "model", "worker", "training", "beat", "migrate"]
# Which pods get a secret; docs/kubernetes.md has what is in it.
SECRETS = {
    "secret-key": {"web", "model", "worker", "training", "migrate"},
    "database": {"web", "model", "worker", "training"},
    "owner": {"migrate"},
    "broker": set(PROCESSES),
    "callers": {"web", "migrate"},
    "label-studio": {"model", "worker", "training", "migrate"},
    "storage": {"web", "model", "worker", "training", "migrate"},
    "alarms": {"worker", "training", "migrate"},
}


def container(process):
    for manifest in yaml.safe_load_all((BASE / f"{process}.yaml").read_text()):
        if manifest["kind"] in {"Deployment", "Job"}:
            return manifest["spec"]["template"]["spec"]["containers"][0]
    raise AssertionError(process)


def words(command):
    command = command if isinstance(command, str) else " ".join(command)
    return command.replace("=", " ").split()


# The image says what web runs.
@pytest.mark.parametrize("process", PROCESSES[1:])
def test_a_pod_runs_the_command_and_the_image_of_the_container(process):
    ours, compose = container(process), SERVICES[process]
    assert words(ours["command"]) == words(compose["command"])
    assert ours["image"] == compose["image"].split(":-")[1].rstrip("}")


def test_web_runs_the_command_of_the_image():
    last = (PROJECT / "Dockerfile").read_text().splitlines()[-1]
    assert last == f"CMD {container('web')['command']}".replace("'", '"')


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_reaches_only_the_pods_that_need_it(secret):
    having = {
        process
        for process in PROCESSES
        for source in container(process)["envFrom"]
        if source.get("secretRef", {}).get("name") == secret
    }
    assert having == SECRETS[secret]


@pytest.mark.parametrize("process", PROCESSES)
def test_variables_are_those_of_the_service(process):
    names = {each["name"] for each in container(process).get("env", [])}
    of_containers = {"LSML_PROCESS", "HOME"}
    assert [
        name for name in names - of_containers if f"\n{name}=" not in EXAMPLE
        and f"\n# {name}=" not in EXAMPLE
    ] == []  # fmt: skip


def test_the_database_of_migrate_is_the_owners():
    # Of two sources with the same variable, Kubernetes takes the last.
    assert container("migrate")["envFrom"][-1] == {"secretRef": {"name": "owner"}}
