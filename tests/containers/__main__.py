"""Checks what the containers do that are up.

`python -m tests.containers PROJECT story`, or `… restart` after the engine restarted.
"""

import csv
import ssl
import sys
import time
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

from demo.label_studio import LabelStudio
from demo.screen import StepFailed, expect, step
from demo.service import read_env
from tests.containers.composed import PORT, Containers
from tests.containers.deploying import deploy, fail_to_deploy
from tests.learning import learn, until

SERVICE = ("web1", "model", "background-model", "worker", "training", "beat")
BUSY_S = 30.0
# What the service uses of label-studio-sdk, and which of the libraries that only other
# parts of it need are there.
_LIBRARIES = """
from importlib.util import find_spec
from label_studio_sdk.base_client import LabelStudioBase
from label_studio_sdk.label_interface import LabelInterface
print([name for name in ("cv2", "nltk", "pandas") if find_spec(name)])
"""
# An answer while a container restarts: 503; 502 if it had the request already; none (0)
# while the proxy itself restarts.
AWAY = {0, 502, 503}
# From which the proxy sends requests: FRONT_NETWORK.
FRONT = "10.203.90."
_CLIENTS = """
from lsml.audit.models import Prediction
print(*Prediction.objects.values_list("client", flat=True).distinct())
"""


def main() -> int:
    """Check all; return 0 if every step succeeded."""
    project = Path(sys.argv[1])
    env = read_env(project)
    credentials = f"{env['BASIC_AUTH_USER']}:{env['BASIC_AUTH_PASS']}"
    config = (project / "example/label_config.xml").read_text()
    containers = Containers(project, LabelStudio(PORT, config, credentials))
    with (project / "example/texts.csv").open(newline="") as file:
        texts = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    try:
        if sys.argv[2] == "restart":
            _come_back(containers, texts)
        else:
            learn(containers.studio, texts)
            _check_libraries(containers)
            _check_rights(containers)
            _check_address(containers)
            _back_up(containers)
            fail_to_deploy(containers, texts)
            deploy(containers, texts)
            _survive(containers, texts)
            _check_tls(containers)
        _check_audit_log(containers)
    except StepFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        print(containers.compose("logs", "--tail", "40"), file=sys.stderr)
        return 1
    return 0


def _check_libraries(containers: Containers) -> None:
    with step("the service's image has few libraries") as shown:
        for name, expected in (("web1", []), ("training", ["pandas"])):
            said = containers.exec(name, "python", "-c", _LIBRARIES)
            expect(said.strip() == str(expected), f"{name} has {said}")
        shown.outcome = "no OpenCV, NLTK or pandas"


def _check_rights(containers: Containers) -> None:
    with step("containers have few rights") as shown:
        for name in ("proxy", *SERVICE):
            user = containers.exec(name, "id", "-u").strip()
            expect(user == "10001", f"{name} runs as user {user}")
            with_file = containers.exec(name, "sh", "-c", "touch x 2>/dev/null; ls")
            expect("x" not in with_file.split(), f"{name} can write to its image")
        shown.outcome = "user 10001, read-only images"


def _check_address(containers: Containers) -> None:
    with step("audit rows name the client") as shown:
        said = containers.exec("worker", "python", "manage.py", "shell", "-c", _CLIENTS)
        expect(FRONT not in said, f"the proxy: {said}")
        shown.outcome = said.strip().splitlines()[-1]


def _back_up(containers: Containers) -> None:
    with step("a backup, with the commands of docs/recovery.md") as shown:
        backups = containers.project / "backups"
        containers.run("install", "-d", "-m", "700", "-o", "10001", str(backups))
        said = containers.compose(
            *("run", "--rm", "--volume", f"{backups}:/backups", "migrate"),
            *("python", "manage.py", "backup", "/backups/one"),
        )
        expect("SHA-256 of its manifest" in said, said)
        expect((backups / "one/manifest.json").exists(), "there is no manifest")
        shown.outcome = said.strip().splitlines()[0]


def _check_tls(containers: Containers) -> None:
    with step("TLS, with a certificate of the proxy's own") as shown:
        containers.run(
            *("env", "COMPOSE_FILE=compose.yaml:compose.tls.yaml"),
            *("PUBLIC_HOST=localhost", "docker", "compose", "up", "--detach"),
            *("--no-build", "--no-deps", "--wait", "proxy"),
        )
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for connection, expected in (
            (HTTPSConnection("localhost", context=context), 200),
            (HTTPConnection("localhost"), 308),  # to https
        ):
            connection.request("GET", "/live")
            status = connection.getresponse().status
            expect(status == expected, f"{connection}: {status}")
            connection.close()
        shown.outcome = "and a redirect from http"


def _come_back(containers: Containers, texts: list[tuple[str, str]]) -> None:
    with step("all containers come back by themselves") as shown:
        expected = set(containers.compose("config", "--services").split()) - {"migrate"}

        def are_back() -> bool:
            healthy = containers.compose("ps", "--services", "--status", "running")
            return set(healthy.split()) == expected

        until(are_back, "not all are running")
        until(lambda: containers.predict(texts[:1]) == 200, "predictions fail")
        shown.outcome = f"{len(expected)} containers"


def _check_audit_log(containers: Containers) -> None:
    with step("the audit log is sealed and intact") as shown:

        def is_sealed() -> bool:
            said = containers.exec("worker", "python", "manage.py", "audit", "seal")
            return said.startswith("0 rows")

        until(is_sealed, "rows are not sealed")
        said = containers.exec("worker", "python", "manage.py", "audit", "verify")
        expect("Intact" in said, said)
        shown.outcome = said.strip().splitlines()[-1]
    with step("manage.py doctor finds nothing") as shown:
        said = _said_by_doctor(containers)
        shown.outcome = said.strip().splitlines()[-1]


def _said_by_doctor(containers: Containers) -> str:
    """Return what it prints. What still trains and compares may be busy at first."""
    doctor = ("worker", "python", "manage.py", "doctor")
    try:
        return containers.exec(*doctor)
    except StepFailed:
        time.sleep(BUSY_S)
        return containers.exec(*doctor)


def _survive(containers: Containers, texts: list[tuple[str, str]]) -> None:
    for name in ("postgres", "broker", "model", "background-model", "web1", "proxy"):
        with step(f"{name} is killed and comes back") as shown:
            # Signal 9 from inside would not reach process 1.
            containers.compose("kill", "--signal", "KILL", name)
            containers.compose("up", "--detach", "--no-build", "--no-recreate", name)
            seen: set[int] = set()
            # Nobody waits for the background's.
            allowed = {200} if name == "background-model" else AWAY | {200}

            def answers(seen: set[int] = seen) -> bool:
                seen.add(containers.predict(texts[:1]))
                return 200 in seen

            until(answers, f"predictions do not come back: {seen}")
            expect(seen <= allowed, f"answers meanwhile: {sorted(seen)}")
            text, label = texts[0]
            reply = containers.studio.annotate(1, text, label)
            expect(reply.status // 100 == 2, f"POST /webhook: status {reply.status}")
            shown.outcome = f"answers meanwhile: {sorted(seen)}"


if __name__ == "__main__":
    sys.exit(main())
