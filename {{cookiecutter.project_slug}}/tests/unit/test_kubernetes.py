"""The manifests of Kubernetes run what compose.yaml runs, with as few secrets."""

from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]
BASE = PROJECT / "deploy/kubernetes/base"
EXAMPLE = (PROJECT / ".env.example").read_text()
PROCESSES = [
    "web", "model", "background-model", "worker", "training", "beat", "migrate"
]  # fmt: skip
MODELS = {"model", "background-model"}
# Which pods get a secret; docs/kubernetes.md has what is in it.
SECRETS = {
    "secret-key": {"web", *MODELS, "worker", "training", "migrate"},
    "database": {"web", *MODELS, "worker", "training"},
    "owner": {"migrate"},
    "broker": set(PROCESSES),
    "observability": set(PROCESSES),
    "callers": {"web", "migrate"},
    "label-studio": {*MODELS, "worker", "training", "migrate"},
    "storage": {"web", *MODELS, "worker", "training", "migrate"},
    "alarms": {"worker", "training", "migrate"},
}


def manifests(file):
    return yaml.safe_load_all((BASE / f"{file}.yaml").read_text())


def container(process):
    for manifest in manifests(process):
        if manifest["kind"] in {"Deployment", "Job"}:
            return manifest["spec"]["template"]["spec"]["containers"][0]
    raise AssertionError(process)


def settings():
    [kustomization] = manifests("kustomization")
    [generator] = kustomization["configMapGenerator"]
    return dict(line.split("=", 1) for line in generator["literals"])


def variables(process):
    return settings() | {
        each["name"]: each["value"] for each in container(process).get("env", [])
    }


def words(command):
    command = command if isinstance(command, str) else " ".join(command)
    return command.replace("=", " ").split()


# The image says what web runs.
@pytest.mark.parametrize("process", PROCESSES[1:])
def test_a_pod_runs_the_command_and_the_image_of_the_container(process):
    ours, compose = container(process), SERVICES[process]
    assert words(ours["command"]) == words(compose["command"])
    kind = compose["image"].rstrip("}").rpartition("-")[2]
    assert ours["image"] == f"lsml-{kind}"


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


@pytest.mark.parametrize(
    ("variable", "process"),
    [("MODEL_URL", "model"), ("BACKGROUND_MODEL_URL", "background-model")],
)
def test_all_reach_a_model_process_where_it_listens(variable, process):
    [service] = [each for each in manifests(process) if each["kind"] == "Service"]
    [port] = service["spec"]["ports"]
    url = f"http://{service['metadata']['name']}:{port['port']}"
    assert settings()[variable] == variables(process)["MODEL_URL"] == url
    assert variables(process)["PORT"] == str(port["port"])


def test_the_background_model_process_does_as_in_compose():
    ours, compose = (
        variables("background-model"),
        SERVICES["background-model"]["environment"],
    )
    for name in ("LSML_PROCESS", "MODELS_IDLE_MAX_S", "PORT"):
        assert ours[name] == compose[name], name


def test_web_and_workers_may_connect_to_both_model_processes():
    [policy] = [
        each for each in manifests("network") if each["metadata"]["name"] == "model"
    ]
    [to] = policy["spec"]["podSelector"]["matchExpressions"]
    assert set(to["values"]) == MODELS
    [source] = policy["spec"]["ingress"][0]["from"]
    [asking] = source["podSelector"]["matchExpressions"]
    assert set(asking["values"]) == {"web", "worker", "training"}
