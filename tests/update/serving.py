"""The service of the project: it learns, and must know it after the updates."""

import csv
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.label_studio import LabelStudio
from demo.screen import expect, step
from demo.service import Service, python, read_env, running
from tests.learning import learn
from tests.update.shell import run


class Serving:
    """A project that runs with `make dev`, and a Label Studio that uses it."""

    def __init__(self, project: Path) -> None:
        """Choose a port."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        env = read_env(project)
        config = (project / "example/label_config.xml").read_text()
        credentials = f"{env['BASIC_AUTH_USER']}:{env['BASIC_AUTH_PASS']}"
        self._project, self._version = project, ""
        self._studio = LabelStudio(self._port, config, credentials)

    def learn(self) -> None:
        """Let it train a version, and seal its audit log."""
        with (self._project / "example/texts.csv").open(newline="") as file:
            texts = [(row["text"], row["label"]) for row in csv.DictReader(file)]
        with self._running():
            learn(self._studio, texts)
            self._manage("audit", "seal")
            self._version = str(self._studio.setup().body["model_version"])

    def check(self) -> None:
        """Check that it serves the same version, on an intact audit log."""
        with self._running(), step("it serves what it learned") as shown:
            reply = self._studio.predict(["Where is my parcel?"])
            expect(reply.status == 200, f"POST /predict: status {reply.status}")
            served = str(self._studio.setup().body["model_version"])
            expect(served == self._version, f"{served}, not {self._version}")
            said = self._manage("audit", "verify")
            expect("Intact" in said, said)
            shown.outcome = f"{served}; {said.strip().splitlines()[-1]}"

    @contextmanager
    def _running(self) -> Iterator[None]:
        with running(Service(self._project, self._port)) as service:
            with step("make dev") as shown:  # applies migrations
                service.wait_until_ready(shown)
            yield

    def _manage(self, *words: str) -> str:
        return run(self._project, python(self._project), "manage.py", *words)
