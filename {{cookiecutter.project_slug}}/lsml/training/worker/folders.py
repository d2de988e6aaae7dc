"""The folders of attempts on this host. Each is removed when its attempt ends."""

import os
import re
import shutil
import socket
from pathlib import Path

from django.conf import settings

from lsml.training.models import TrainingRun


def new_folder(run: TrainingRun) -> Path:
    """Create the folder of this attempt, named after host and process.

    Raises:
        OSError: No space or no access.
    """
    folder = _root() / f"{_owner_prefix()}{os.getpid()}-run-{run.pk}-{run.fence}"
    folder.mkdir(mode=0o700, parents=True)
    (folder / "artifacts").mkdir()
    return folder


def remove_orphans() -> None:
    """Remove the folders of killed workers of this host."""
    pattern = re.compile(re.escape(_owner_prefix()) + r"(\d+)-run-")
    for folder in _root().glob("*-run-*"):
        found = pattern.match(folder.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _root() -> Path:
    root: Path = settings.DATA_DIR / "runs"
    return root


def _owner_prefix() -> str:
    # Process numbers are unique only within a host or container.
    return f"{socket.gethostname()}-"
