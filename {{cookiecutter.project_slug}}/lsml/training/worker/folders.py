"""Where a run writes on this host: a folder per attempt, gone with it."""

import os
import re
import shutil
import socket
from pathlib import Path

from django.conf import settings

from lsml.training.models import TrainingRun


def new_folder(run: TrainingRun) -> Path:
    """Make the folder of this attempt; its name says whose it is.

    Raises:
        OSError: No space, no access.
    """
    folder = _root() / f"{_owner_prefix()}{os.getpid()}-run-{run.pk}-{run.fence}"
    (folder / "artifacts").mkdir(parents=True)
    return folder


def remove_orphans() -> None:
    """Remove what workers of this host left behind that were killed."""
    pattern = re.compile(re.escape(_owner_prefix()) + r"(\d+)-run-")
    for folder in _root().glob("*-run-*"):
        found = pattern.match(folder.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _root() -> Path:
    root: Path = settings.DATA_DIR / "runs"
    return root


def _owner_prefix() -> str:
    # Process numbers mean something on their own host, or container, only.
    return f"{socket.gethostname()}-"
