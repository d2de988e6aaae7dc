"""`python -m tests.containers PROJECT`: the containers are up; check what they do."""

import csv
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo.label_studio import LabelStudio
from demo.screen import StepFailed, expect, step
from demo.service import read_env

PORT = 9090
ANNOTATED, PREDICTED = 60, 40  # numbers of texts
SHARE_RIGHT = 0.8  # of the trained version's predictions, at least
SERVICE = ("web", "model", "background-model", "worker", "training", "beat")
WAIT_S = 120.0
POLL_S = 0.5
# What the service uses of label-studio-sdk, and which of the libraries that only other
# parts of it need are there.
_LIBRARIES = """
from importlib.util import find_spec
from label_studio_sdk.base_client import LabelStudioBase
from label_studio_sdk.label_interface import LabelInterface
print([name for name in ("cv2", "nltk", "pandas") if find_spec(name)])
"""
# An answer while a server restarts: 503, or none (0) while web itself does.
AWAY = {0, 503}


@dataclass(frozen=True, slots=True)
class Containers:
    """The containers of one project."""

    project: Path
    studio: LabelStudio

    def compose(self, *words: str) -> str:
        """Run `docker compose`, and return what it prints.

        Raises:
            StepFailed: it failed.
        """
        command = ["docker", "compose", "--project-directory", str(self.project)]
        done = subprocess.run(
            [*command, *words], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StepFailed(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def exec(self, container: str, *words: str) -> str:
        """Run a command in a running container."""
        return self.compose("exec", "-T", container, *words)


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
        _learn(containers.studio, texts)
        _check_libraries(containers)
        _check_rights(containers)
        _check_audit_log(containers)
        _survive(containers, texts)
    except StepFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        print(containers.compose("logs", "--tail", "40"), file=sys.stderr)
        return 1
    return 0


def _learn(studio: LabelStudio, texts: list[tuple[str, str]]) -> None:
    annotated, unseen = texts[:ANNOTATED], texts[ANNOTATED : ANNOTATED + PREDICTED]
    with step("the model process answers") as shown:
        _until(lambda: _status(studio, unseen) == 200, "predictions fail")
        shown.outcome = "untrained predictions"
    with step(f"{ANNOTATED} annotations, by webhook") as shown:
        for number, (text, label) in enumerate(annotated, 1):
            reply = studio.annotate(number, text, label)
            expect(reply.status // 100 == 2, f"POST /webhook: status {reply.status}")
    with step("a trained version is served") as shown:
        _until(lambda: _share_right(studio, unseen) >= SHARE_RIGHT, "it does not learn")
        version = studio.setup().body["model_version"]
        shown.outcome = f"{version}: {_share_right(studio, unseen):.0%} right"


def _check_libraries(containers: Containers) -> None:
    with step("the service's image has few libraries") as shown:
        for name, expected in (("web", []), ("training", ["pandas"])):
            said = containers.exec(name, "python", "-c", _LIBRARIES)
            expect(said.strip() == str(expected), f"{name} has {said}")
        shown.outcome = "no OpenCV, NLTK or pandas"


def _check_rights(containers: Containers) -> None:
    with step("containers have few rights") as shown:
        for name in SERVICE:
            user = containers.exec(name, "id", "-u").strip()
            expect(user == "10001", f"{name} runs as user {user}")
            with_file = containers.exec(
                name, "sh", "-c", "touch /service/x 2>/dev/null; ls /service"
            )
            expect("x" not in with_file.split(), f"{name} can write to its image")
        shown.outcome = "user 10001, read-only images"


def _check_audit_log(containers: Containers) -> None:
    with step("the audit log is sealed and intact") as shown:

        def is_sealed() -> bool:
            said = containers.exec("worker", "python", "manage.py", "audit", "seal")
            return said.startswith("0 rows")

        _until(is_sealed, "rows are not sealed")
        said = containers.exec("worker", "python", "manage.py", "audit", "verify")
        expect("Intact" in said, said)
        shown.outcome = said.strip().splitlines()[-1]
    with step("manage.py doctor finds nothing") as shown:
        said = containers.exec("worker", "python", "manage.py", "doctor")
        shown.outcome = said.strip().splitlines()[-1]


def _survive(containers: Containers, texts: list[tuple[str, str]]) -> None:
    for name in ("postgres", "broker", "model", "background-model", "web"):
        with step(f"{name} is killed and comes back") as shown:
            # Signal 9 from inside would not reach process 1.
            containers.compose("kill", "--signal", "KILL", name)
            containers.compose("up", "--detach", "--no-build", "--no-recreate", name)
            seen: set[int] = set()
            # Nobody waits for the background's.
            allowed = {200} if name == "background-model" else AWAY | {200}

            def answers(seen: set[int] = seen) -> bool:
                seen.add(_status(containers.studio, texts[:1]))
                return 200 in seen

            _until(answers, f"predictions do not come back: {seen}")
            expect(seen <= allowed, f"answers meanwhile: {sorted(seen)}")
            text, label = texts[0]
            reply = containers.studio.annotate(1, text, label)
            expect(reply.status // 100 == 2, f"POST /webhook: status {reply.status}")
            shown.outcome = f"answers meanwhile: {sorted(seen)}"


def _status(studio: LabelStudio, texts: list[tuple[str, str]]) -> int:
    try:
        return studio.predict([text for text, _ in texts]).status
    except OSError:
        return 0


def _share_right(studio: LabelStudio, texts: list[tuple[str, str]]) -> float:
    reply = studio.predict([text for text, _ in texts])
    if reply.status != 200:
        return 0.0
    results = reply.body["results"]
    predictions = [each[0] if isinstance(each, list) else each for each in results]
    chosen = [each["result"][0]["value"]["choices"][0] for each in predictions]
    right = [a == label for a, (_, label) in zip(chosen, texts, strict=True)]
    return sum(right) / len(right)


def _until(holds: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise StepFailed(f"{problem}, after {WAIT_S:.0f} s")
        time.sleep(POLL_S)


if __name__ == "__main__":
    sys.exit(main())
