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
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from lsml.embedded import addresses
from lsml.embedded.servers import running
from tests.chaos.servers import free_port

PROJECT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((PROJECT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
GPU = yaml.safe_load((PROJECT / "compose.gpu.yaml").read_text())["services"]
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
OURS = ("migrate", "web1", "model", "background-model", "worker", "training", "beat")
WITH_MODEL_LIBRARIES = {"model", "background-model", "training"}


def stages():
    """Return the text of each stage of the Dockerfile, by name, in order."""
    parts = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    return {re.search(r" AS (\S+)", part)[1]: part for part in parts}


def content(stage):
    """Return the text of a stage and of all stages that it builds on or copies from."""
    text = stages()[stage]
    others = [*re.findall(r"--from=(\S+)", text), text.split()[0]]
    return text + "".join(content(other) for other in others if other in stages())


def target(service):
    """Return the stage whose image a service runs."""
    return SERVICES[service]["build"]["target"]


def instruction(word, stage="service"):
    """Return the arguments of such an instruction in a stage of the Dockerfile."""
    return re.search(rf"^{word} (.+?)$", stages()[stage], re.MULTILINE)[1]


def command(service):
    """Return a service's command as a list."""
    given = SERVICES[service].get("command")
    return shlex.split(given) if given else json.loads(instruction("CMD"))


def image_check(stage):
    """Return the command of the health check that an image has."""
    return json.loads(re.search(r"^    CMD (\[.+)$", stages()[stage], re.MULTILINE)[1])


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


@pytest.mark.parametrize("stage", ["service", "model"])
def test_the_service_does_not_run_as_root_in_its_image(stage):
    assert int(instruction("USER", stage)) > 0


def test_a_build_without_a_target_gives_the_service():
    assert list(stages())[-1] == "service"


def test_only_the_model_process_and_training_have_the_libraries_of_the_model():
    assert "requirements-model.txt" not in content("service")
    assert "requirements-model.txt" in content("model")
    for service in OURS:
        expected = "model" if service in WITH_MODEL_LIBRARIES else "service"
        assert target(service) == expected, service


def test_one_image_name_stands_for_one_target():
    names = {(SERVICES[service]["image"], target(service)) for service in OURS}
    assert len(names) == len({name for name, _ in names}) == 2


def test_two_projects_on_one_machine_have_images_of_their_own():
    built = {name: each for name, each in SERVICES.items() if "build" in each}
    assert {"proxy", *OURS} <= set(built)
    for name, each in built.items():
        assert each["image"].count("${COMPOSE_PROJECT_NAME}-") == 1, name


def test_a_change_of_the_code_installs_no_library_again():
    for stage in ("libraries", "model-libraries"):
        assert re.findall(r"^COPY (.+)$", content(stage), re.MULTILINE)
        assert "COPY . ." not in content(stage)
    libraries, code = (
        stages()["model"].index(f"COPY --from={stage}")
        for stage in ("model-libraries", "code")
    )
    assert libraries < code


def test_every_service_asks_the_model_process():
    for service in OURS:
        declared = SERVICES[service]["environment"]
        assert declared["MODEL_PLACEMENT"] == "process", service


def test_nothing_waits_for_the_model_processes():
    for service in SERVICES.values():
        assert not {"model", "background-model"} & set(service.get("depends_on", {}))


def test_all_reach_the_background_model_process_where_it_listens():
    background = SERVICES["background-model"]
    url = background["environment"]["MODEL_URL"]
    assert url.startswith("unix:///data/")
    for service in OURS:
        assert SERVICES[service]["environment"]["BACKGROUND_MODEL_URL"] == url, service
    assert "MODEL_URL" not in SERVICES["model"]["environment"]
    assert command("background-model") == command("model")


def test_the_background_model_process_gets_the_processors_last():
    assert SERVICES["background-model"]["cpu_shares"] < 1024
    assert not any("cpu_shares" in SERVICES[name] for name in ("web1", "web2", "model"))


def test_web_and_the_model_process_share_the_folder_of_its_socket():
    for service in set(OURS) - {"beat"}:
        assert SERVICES[service]["environment"]["LSML_DATA_DIR"] == "/data"
        assert SERVICES[service]["volumes"] == ["data:/data"], service


def test_only_the_model_process_and_training_reserve_the_gpu():
    assert set(GPU) == WITH_MODEL_LIBRARIES
    for service in GPU.values():
        devices = service["deploy"]["resources"]["reservations"]["devices"]
        assert [device["driver"] for device in devices] == ["nvidia"]
        assert devices[0]["capabilities"] == ["gpu"]
    assert not any("deploy" in service for service in SERVICES.values())


@pytest.mark.parametrize(("arguments", "reserves"), [([], False), (["GPU=1"], True)])
def test_make_up_reserves_the_gpu_if_asked(arguments, reserves):
    done = subprocess.run(
        ["make", "--dry-run", "up", *arguments],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "docker compose up" in done.stdout
    assert ("COMPOSE_FILE=compose.yaml:compose.gpu.yaml" in done.stdout) == reserves


def test_every_service_waits_for_its_dependencies():
    for service in set(OURS) - {"migrate"}:
        needs = SERVICES[service]["depends_on"]
        assert needs["migrate"]["condition"] == "service_completed_successfully"
        assert needs["broker"]["condition"] == "service_healthy"
    needs = SERVICES["migrate"]["depends_on"]
    assert needs["postgres"]["condition"] == "service_healthy"


def test_the_webhook_address_has_the_dot_that_label_studio_requires():
    aliases = SERVICES["proxy"]["networks"]["default"]["aliases"]
    assert all("." in alias for alias in aliases)
    allowed = COMPOSE["x-service"]["environment"]["ALLOWED_HOSTS"]
    assert set(aliases) <= set(re.split(r"[,:$}-]+", allowed))


def test_database_and_broker_are_not_reachable_from_outside():
    for service in set(SERVICES) - {"proxy"}:
        assert "ports" not in SERVICES[service]
    assert SERVICES["proxy"]["ports"][0].startswith("${PUBLISH_ON:-127.0.0.1}:")


def test_every_queue_has_a_worker():
    served = {
        service: command(service)[command(service).index("--queues") + 1]
        for service in ("worker", "training")
    }
    assert served == {
        "worker": "default,scheduled",
        "training": "training,scheduled",
    }


@pytest.mark.skipif(not shutil.which("hadolint"), reason="needs hadolint")
def test_hadolint_finds_nothing():
    done = subprocess.run(["hadolint", PROJECT / "Dockerfile"], check=False)
    assert done.returncode == 0


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Yield the variables of the containers; their URLs point to real servers."""
    folder = tmp_path_factory.mktemp("containers")
    (folder / "data").mkdir()  # exists in the image
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
            "MODEL_PLACEMENT": "process",
            "BIND_HOST": "127.0.0.1",
            "PORT": str(free_port()),
        }


@pytest.fixture(scope="module")
def containers(environment):
    """Start and stop every process as compose does."""
    done = subprocess.run(command("migrate"), cwd=PROJECT, env=environment, check=False)
    assert done.returncode == 0
    processes = {}
    for service in set(OURS) - {"migrate"}:
        declared = SERVICES[service].get("environment", {})
        role = {"ALIVE_FILE": alive_file(environment, service)}
        if "LSML_PROCESS" in declared:
            role["LSML_PROCESS"] = declared["LSML_PROCESS"]
        role |= addresses_of(service, environment)
        processes[service] = subprocess.Popen(
            command(service), cwd=PROJECT, env={**environment, **role}
        )
    yield processes
    for process in processes.values():
        process.send_signal(signal.SIGTERM)
    for service, process in processes.items():
        assert process.wait(timeout=30) == 0, service


def addresses_of(service, environment):
    """Return the addresses that a service gets, with another folder as `/data`."""
    return {
        name: value.replace("/data", environment["LSML_DATA_DIR"], 1)
        for name, value in SERVICES[service]["environment"].items()
        if name in {"MODEL_URL", "BACKGROUND_MODEL_URL"}
    }


def alive_file(environment, service):
    """Return what is `/tmp/alive` in a service's container."""
    return str(Path(environment["LSML_DATA_DIR"]).parent / f"{service}-alive")


def healthy(service, environment):
    """Run a service's health check until it passes; return whether it did."""
    environment = {
        **environment,
        **addresses_of(service, environment),
        "ALIVE_FILE": alive_file(environment, service),
    }
    if "healthcheck" not in SERVICES[service]:
        check = image_check(target(service))
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
@pytest.mark.parametrize("service", [each for each in OURS if each != "migrate"])
def test_its_health_check_passes_while_it_runs(containers, environment, service):
    assert healthy(service, environment)
    assert containers[service].poll() is None


@pytest.mark.slow
def test_beat_runs_and_the_web_process_is_ready(containers, environment):
    assert healthy("web1", environment)
    url = f"http://127.0.0.1:{environment['PORT']}/ready"
    with urllib.request.urlopen(url) as answer:
        assert answer.status == 200
    assert containers["beat"].poll() is None


def predict(environment):
    """Send a prediction to web; return its status and answer."""
    config = (
        '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
        '<Choice value="good"/><Choice value="bad"/></Choices></View>'
    )
    task = {"id": 1, "data": {"text": "fine"}}
    body = {"tasks": [task], "project": "7.1", "label_config": config}
    request = urllib.request.Request(
        f"http://127.0.0.1:{environment['PORT']}/predict",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.slow
def test_web_predicts_with_the_model_process(containers, environment):
    assert healthy("web1", environment)
    assert healthy("model", environment)
    status, answer = predict(environment)
    assert status == 200, answer
    assert len(answer["results"]) == 1


# As in web: first import all of it, then answer what Label Studio sends.
WEB_ANSWERS = """
import json, sys
import config.wsgi
from django.test import Client

client = Client()
paths = {"/health": None, "/setup": SETUP, "/webhook": EVENT, "/predict": PREDICT}
for path, body in paths.items():
    answer = (
        client.get(path)
        if body is None
        else client.post(path, body, content_type="application/json")
    )
    print(path, answer.status_code, file=sys.stderr)
libraries = {"model", "sklearn", "scipy", "joblib"}
print(json.dumps(sorted(libraries & set(sys.modules))))
"""


@pytest.mark.slow
def test_web_imports_neither_the_model_nor_its_libraries(containers, environment):
    assert healthy("model", environment)
    config = '<View><Text name="text" value="$text"/></View>'
    event = {"action": "ANNOTATION_CREATED", "project": {"id": 7}}
    bodies = {
        "SETUP": {"project": "7.1", "schema": config, "hostname": "http://ls.test"},
        "EVENT": event | {"task": {"id": 1, "data": {}}, "annotation": {"id": 1}},
        "PREDICT": {"tasks": [{"id": 1, "data": {}}], "project": "7.1"},
    }
    program = WEB_ANSWERS
    for name, body in bodies.items():
        program = program.replace(name, repr(body))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env={**environment, "LSML_PROCESS": "web", "ALLOWED_HOSTS": "testserver"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "/webhook 201" in done.stderr or "/webhook 200" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.slow
@pytest.mark.parametrize("url", ["unix:///nowhere/model.sock", "http://model:9091"])
def test_the_model_processs_health_check_fails_when_nothing_answers(environment, url):
    done = subprocess.run(
        image_check("model"),
        cwd=PROJECT,
        env={**environment, "MODEL_URL": url, "PORT": "1"},
        check=False,
    )
    assert done.returncode == 1


@pytest.mark.parametrize("service", ["worker", "training", "beat"])
def test_a_health_check_fails_when_its_process_has_stopped(tmp_path, service):
    file = tmp_path / "alive"
    environment = {"PATH": os.environ["PATH"], "ALIVE_FILE": str(file)}

    def passes():
        check = SERVICES[service]["healthcheck"]["test"][1].replace("$$", "$")
        done = subprocess.run(["sh", "-c", check], env=environment, check=False)
        return done.returncode == 0

    assert not passes()
    file.touch()
    assert passes()
    two_minutes_ago = time.time() - 120
    os.utime(file, (two_minutes_ago, two_minutes_ago))
    assert not passes()


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
