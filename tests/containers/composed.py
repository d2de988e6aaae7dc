"""The containers of one project, and the requests that reach them."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from demo.label_studio import LabelStudio
from demo.screen import StepFailed
from tests.learning import status_of

PORT = 9090


@dataclass(frozen=True, slots=True)
class Containers:
    """The containers of one project."""

    project: Path
    studio: LabelStudio

    def run(self, *command: str) -> str:
        """Run a command in the project's folder, and return what it prints.

        Raises:
            StepFailed: it failed.
        """
        done = subprocess.run(
            command, cwd=self.project, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StepFailed(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def compose(self, *words: str) -> str:
        """Run `docker compose`, and return what it prints."""
        return self.run("docker", "compose", *words)

    def exec(self, container: str, *words: str) -> str:
        """Run a command in a running container."""
        return self.compose("exec", "-T", container, *words)

    def predict(self, texts: list[tuple[str, str]]) -> int:
        """Request predictions; return the status, 0 if there is no answer."""
        return status_of(self.studio, texts)
