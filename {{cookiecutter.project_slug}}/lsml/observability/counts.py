"""The folder in which the web processes share their counts for /metrics.

It is in memory: on a disk that is full, writing to mapped files kills the process
(SIGBUS), and on a container's layered disk it can block for seconds.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

IN_MEMORY: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
_PREFIX: Final = "lsml-metrics-"
# A file that is locked as long as this process or a child of it lives, also in another
# container. It names the service.
_IN_USE: Final = "in-use"


def make_counts_folder() -> Path:
    """Make the folder of this process and its children; remove those nobody uses.

    Not a TemporaryDirectory: each web process that ends would remove it, and the others
    could count nothing new.
    """
    _remove_unused()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=IN_MEMORY))
    # Locked before it has its name, so that nobody finds it unlocked. It is never
    # closed, because that would unlock it.
    unnamed = folder / "new"
    fcntl.flock(os.open(unnamed, os.O_CREAT | os.O_RDWR, 0o600), fcntl.LOCK_EX)
    unnamed.rename(folder / _IN_USE)
    return folder


def name_service(folder: Path, data_dir: Path) -> None:
    """Write down which service a folder belongs to."""
    (folder / _IN_USE).write_text(str(data_dir), "utf-8")


def counts_folders(data_dir: Path) -> list[Path]:
    """Return the folders of a service of this user on this host."""
    return [folder for folder in _folders() if _service(folder) == str(data_dir)]


def _folders() -> Iterator[Path]:
    """Yield the folders of this user; others may write there as well."""
    for folder in Path(IN_MEMORY or tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # removed meanwhile
            if folder.lstat().st_uid == os.getuid():
                yield folder


def _service(folder: Path) -> str | None:
    try:
        return (folder / _IN_USE).read_text("utf-8")
    except OSError:  # removed meanwhile
        return None


def _remove_unused() -> None:
    """Remove the folders of killed processes."""
    for folder in _folders():
        with suppress(OSError):
            if _is_unused(folder):
                shutil.rmtree(folder)


def _is_unused(folder: Path) -> bool:
    with (folder / _IN_USE).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
