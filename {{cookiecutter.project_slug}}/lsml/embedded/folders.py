"""Folders and locks of the embedded servers, for `lsml.embedded.servers`.

The locks are flock(2) locks. The kernel releases them however their process ends, so
they cannot become stale like a list of process ids.
"""

import fcntl
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lsml.embedded.addresses import owner_id, socket_folder
from lsml.embedded.errors import ServerError


def prepare_folders(data_dir: Path) -> None:
    """Create the data folder and the folder of the sockets, private to their owner.

    Raises:
        ServerError: one of them belongs to another user, or cannot be created.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        sockets = socket_folder(data_dir)
        if not sockets.is_relative_to(data_dir.resolve()):
            _make_private(sockets.parent, owner=owner_id(data_dir))
        _make_private(sockets, owner=owner_id(data_dir))
    except OSError as error:
        raise not_writable(error, data_dir) from error


def remove_outside_sockets(data_dir: Path) -> None:
    """Remove the sockets' folder in /tmp after the servers have stopped."""
    sockets = socket_folder(data_dir)
    if not sockets.is_relative_to(data_dir.resolve()):
        with suppress(OSError):  # it contains a file that is not ours
            sockets.rmdir()


def not_writable(error: OSError, data_dir: Path) -> ServerError:
    """Return the error for a data folder that this user may not write to."""
    where = error.filename or data_dir
    return ServerError(
        f"{where} cannot be used by {user_name(os.geteuid())}: {error.strerror}. Run"
        " the command as the folder's owner, or set LSML_DATA_DIR to another folder."
    )


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user may be missing in the passwd file
        return f"user {uid}"


def _make_private(folder: Path, *, owner: int) -> None:
    # Another user could have created this folder in /tmp first, to receive our
    # connections. A symbolic link is refused for the same reason.
    try:
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, owner, -1)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.geteuid()}:
            raise ServerError(
                f"{folder} is not a folder of {user_name(owner)}:"
                " remove it, or set LSML_DATA_DIR to another folder."
            ) from None
        if stat.S_IMODE(found.st_mode) & 0o077:
            folder.chmod(0o700)


class Hold:
    """A lock on a file, held until `release()` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def wait(self) -> None:
        """Wait for the exclusive lock."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def share(self) -> None:
        """Take a shared lock."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Try to take the exclusive lock. Return False if another process has one."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        os.close(self._descriptor)


@contextmanager
def exclusively(path: Path, *, say: Callable[[str], None]) -> Iterator[None]:
    """Run the block while no other process runs one with the same path."""
    hold = Hold(path)
    try:
        if not hold.try_exclusive():
            say("waiting for another process that starts or stops the servers …")
            hold.wait()
        yield
    finally:
        hold.release()
