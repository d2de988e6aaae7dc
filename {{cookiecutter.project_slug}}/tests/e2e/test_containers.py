"""The commands of Dockerfile and compose.yaml, run outside a container."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from lsml.embedded import addresses
from lsml.embedded.servers import running

PROJECT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((PROJECT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
OURS = ("migrate", "web", "worker", "training", "beat")


def instruction(word):
    """Return the arguments of the last such instruction in the Dockerfile."""
    return re.findall(rf"^\s*{word} (.+?)$", DOCKERFILE, re.MULTILINE)[-1]


def command(service):
    """Return a service's command as a list."""
    given = SERVICES[service].get("command")
    return shlex.split(given) if given else json.loads(instruction("CMD"))


def test_files_for_the_image_exist_and_are_not_ignored():
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    needed = [
        "requirements/base.txt",
        "requirements-model.txt",
        "manage.py",
        "model.py",
    ]
    for path in [*needed, "config", "lsml", "label_studio_ml"]:
        assert (PROJECT / path).exists(), path
        assert path not in ignored
    assert {".env", ".data", ".git", ".venv"} <= set(ignored)


def test_the_service_does_not_run_as_root_in_its_image():
    assert int(instruction("USER")) > 0


def test_every_service_waits_for_its_dependencies():
    for service in set(OURS) - {"migrate"}:
        needs = SERVICES[service]["depends_on"]
        assert needs["migrate"]["condition"] == "service_completed_successfully"
        assert needs["broker"]["condition"] == "service_healthy"
    needs = SERVICES["migrate"]["depends_on"]
    assert needs["postgres"]["condition"] == "service_healthy"


def test_the_webhook_address_has_the_dot_that_label_studio_requires():
    aliases = SERVICES["web"]["networks"]["default"]["aliases"]
    assert all("." in alias for alias in aliases)
    allowed = COMPOSE["x-service"]["environment"]["ALLOWED_HOSTS"]
    assert set(aliases) <= set(re.split(r"[,:}-]+", allowed))


def test_database_and_broker_are_not_reachable_from_outside():
    for service in ("postgres", "broker"):
        assert "ports" not in SERVICES[service]
    assert SERVICES["web"]["ports"][0].startswith("${PUBLISH_ON:-127.0.0.1}:")


def test_every_queue_has_a_worker():
    served = {
        command(service)[command(service).index("--queues") + 1]
        for service in ("worker", "training")
    }
    assert served == {"default", "training"}


@pytest.mark.skipif(not shutil.which("hadolint"), reason="needs hadolint")
def test_hadolint_finds_nothing():
    done = subprocess.run(["hadolint", PROJECT / "Dockerfile"], check=False)
    assert done.returncode == 0


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Yield the variables of the containers; their URLs point to real servers."""
    folder = tmp_path_factory.mktemp("containers")
    (folder / "data").mkdir()  # exists in the image
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running(folder / "servers", durable=False):
        yield {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOSTNAME": socket.gethostname(),
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "x" * 60,
            "HTTPS": "false",
            "DATABASE_URL": addresses.database_url(folder / "servers"),
            "CELERY_BROKER_URL": addresses.broker_url(folder / "servers"),
            "LSML_DATA_DIR": str(folder / "data"),
            "BIND_HOST": "127.0.0.1",
            "PORT": str(port),
        }


@pytest.fixture(scope="module")
def containers(environment):
    """Start and stop every process as compose does."""
    done = subprocess.run(command("migrate"), cwd=PROJECT, env=environment, check=False)
    assert done.returncode == 0
    processes = {}
    for service in set(OURS) - {"migrate"}:
        declared = SERVICES[service].get("environment", {})
        role = {"LSML_PROCESS": declared.get("LSML_PROCESS", "web")}
        processes[service] = subprocess.Popen(
            command(service), cwd=PROJECT, env={**environment, **role}
        )
    yield processes
    for process in processes.values():
        process.send_signal(signal.SIGTERM)
    for service, process in processes.items():
        assert process.wait(timeout=30) == 0, service


def healthy(service, environment):
    """Run a service's health check until it passes; return whether it did."""
    if service == "web":
        check = json.loads(re.search(r"^    CMD (\[.+)$", DOCKERFILE, re.MULTILINE)[1])
    else:
        kind, text = SERVICES[service]["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        check = ["sh", "-c", text.replace("$$", "$")]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done = subprocess.run(
            check, cwd=PROJECT, env=environment, check=False, capture_output=True
        )
        if done.returncode == 0:
            return True
        time.sleep(0.5)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("service", ["web", "worker", "training"])
def test_its_health_check_passes_while_it_runs(containers, environment, service):
    assert healthy(service, environment)
    assert containers[service].poll() is None


@pytest.mark.slow
def test_beat_runs_and_the_web_process_is_ready(containers, environment):
    assert healthy("web", environment)
    url = f"http://127.0.0.1:{environment['PORT']}/ready"
    with urllib.request.urlopen(url) as answer:
        assert answer.status == 200
    assert containers["beat"].poll() is None


@pytest.mark.slow
def test_a_health_check_fails_when_its_process_is_gone(environment):
    check = ["sh", "-c", SERVICES["worker"]["healthcheck"]["test"][1]]
    # Compose replaces two dollar signs by one.
    check[2] = (
        check[2].replace("$$HOSTNAME", "nowhere").replace("timeout 10", "timeout 1")
    )
    done = subprocess.run(
        check, cwd=PROJECT, env=environment, check=False, capture_output=True
    )
    assert done.returncode != 0


@pytest.mark.slow
def test_the_command_of_the_build_collects_static_files(environment, tmp_path):
    shutil.copytree(
        PROJECT,
        tmp_path / "image",
        ignore=shutil.ignore_patterns(
            *(PROJECT / ".dockerignore").read_text().splitlines()
        ),
    )
    build = re.search(
        r"^RUN (SECRET_KEY=.+collectstatic.+)$", DOCKERFILE, re.MULTILINE
    )[1]
    done = subprocess.run(
        ["sh", "-c", build],
        cwd=tmp_path / "image",
        env={"PATH": environment["PATH"], "LSML_DATA_DIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0
    assert (tmp_path / "image" / "staticfiles" / "staticfiles.json").exists()
