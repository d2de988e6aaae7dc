"""The folders of attempts on this host. Each is removed when its attempt ends."""

import os
import re
import shutil
import socket
from pathlib import Path
from typing import Final

from django.conf import settings

from lsml.training.models import TrainingRun

_NAME: Final = re.compile(
    r"(?P<owner>.*-)(?P<process>\d+)-run-(?P<run>\d+)-(?P<fence>\d+)"
)


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
    """Remove the folders that killed workers left behind.

    Of this host, those whose process has ended. Of other hosts, those whose attempt is
    over: a container that was created again has another name, and would never find the
    folders of its predecessor in a shared volume.
    """
    active = set(
        TrainingRun.objects.filter(state__in=TrainingRun.ACTIVE).values_list(
            "pk", "fence"
        )
    )
    for folder in _root().glob("*-run-*"):
        if not (found := _NAME.fullmatch(folder.name)):
            continue
        if found["owner"] == _owner_prefix():
            is_orphan = not Path(f"/proc/{found['process']}").exists()
        else:
            is_orphan = (int(found["run"]), int(found["fence"])) not in active
        if is_orphan:
            shutil.rmtree(folder, ignore_errors=True)


def _root() -> Path:
    root: Path = settings.DATA_DIR / "runs"
    return root


def _owner_prefix() -> str:
    # Process numbers are unique only within a host or container.
    return f"{socket.gethostname()}-"
