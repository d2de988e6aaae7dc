"""Commands in the folders of the template and the project."""

import subprocess
from pathlib import Path

from demo.screen import StepFailed


def run(folder: Path, *command: object) -> str:
    """Run a command; return what it prints.

    Raises:
        StepFailed: it failed. The message has the end of its output.
    """
    done = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StepFailed(
            f"{command} in {folder}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    return done.stdout


def commit(folder: Path, subject: str) -> None:
    """Commit everything."""
    run(folder, "git", "add", "--all")
    author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    run(folder, "git", *author, "commit", "--quiet", "--allow-empty", "-m", subject)
