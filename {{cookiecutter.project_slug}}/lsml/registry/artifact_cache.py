"""Keeps unpacked artifacts on this host, for all processes that use the same folder.

An artifact is a folder and its list, named after the digest. Each process that uses it
holds a shared flock(2) lock on the list, so that no other process removes it. The
kernel releases these locks however the process ends. All changes of names are made
under the lock of the whole cache, which is held only for moments.
"""

import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from lsml.registry.errors import CacheRefused
from lsml.registry.packing import is_unchanged, unpack

# How old a folder of a killed process is when it is removed. Unpacking takes minutes.
_LEFT_BEHIND_S = 86_400.0
_DIGEST = re.compile(r"[0-9a-f]{64}")


class CachedArtifact:
    """An unpacked artifact. It stays in the cache as long as this object exists.

    Args:
        folder: The files. Models may open them at any time.
        listed: The list, locked; closed with this object.
    """

    def __init__(self, folder: Path, listed: IO[bytes]) -> None:
        self.folder = folder
        self._listed = listed
        weakref.finalize(self, listed.close)

    def is_unchanged(self, *, sha256: str, size: int) -> bool:
        """Return whether it has the files of the tar with that digest and size."""
        return is_unchanged(self.folder, self._listed, sha256=sha256, size=size)

    def is_listed_in(self, path: Path) -> bool:
        """Return whether this file is the list, and not that of a later copy."""
        with suppress(FileNotFoundError):
            return os.path.samestat(path.stat(), os.fstat(self._listed.fileno()))
        return False


class ArtifactCache:
    """The artifacts in one folder, which is private to this user.

    Raises:
        CacheRefused: The folder cannot be created, or others may write to it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if reason := why_not_private(root):
                raise CacheRefused(root, reason)
            if stat.S_IMODE(root.stat().st_mode) & 0o077:
                root.chmod(0o700)
        except OSError as error:
            raise CacheRefused(root, f"cannot be used ({error.strerror})") from error

    def find(self, sha256: str) -> CachedArtifact | None:
        """Return an artifact, not checked; None if it is not in the cache."""
        with self._alone():
            return self._hold(sha256)

    def add(self, sha256: str, packed: IO[bytes]) -> CachedArtifact | None:
        """Unpack an artifact; None if another process added it meanwhile.

        Raises:
            NotPlain: It contains a link, a device, or a path that leaves the folder.
            tarfile.TarError: It is no tar, or incomplete.
            OSError: No space or no access.
        """
        with self._draft(".fetching-") as draft:
            files, listed = draft / "files", draft / "list"
            files.mkdir(mode=0o700)
            unpack(packed, into=files, list_path=listed)
            with self._alone():
                if self._list(sha256).exists():
                    return None
                self._move_out(sha256, draft)  # a folder that lost its list
                files.rename(self.root / sha256)
                listed.rename(self._list(sha256))
                return self._hold(sha256)

    def has(self, sha256: str, found: CachedArtifact) -> bool:
        """Return whether it is in the cache; another process may have replaced it."""
        return found.is_listed_in(self._list(sha256))

    def discard(self, sha256: str, found: CachedArtifact) -> None:
        """Remove an artifact, also if it is used, unless it was replaced meanwhile."""
        with self._draft(".removed-") as draft, self._alone():
            if self.has(sha256, found):
                self._move_out(sha256, draft)

    def prune(self, *, keep: int) -> None:
        """Remove what no process uses, the least recently loaded first.

        Args:
            keep: Number of artifacts that stay, the used ones included.
        """
        with self._draft(".removed-") as draft:
            with self._alone():
                for path in self._least_recent(but=keep):
                    with path.open("rb") as listed, suppress(BlockingIOError):
                        fcntl.flock(listed, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        self._move_out(path.stem, draft)
                names = [path.name for path in self.root.iterdir()]
                for name in filter(_DIGEST.fullmatch, names):
                    if not self._list(name).exists():
                        self._move_out(name, draft)
            self._remove_left_behind()

    def _least_recent(self, *, but: int) -> list[Path]:
        loaded_at = {path: path.stat().st_mtime_ns for path in self.root.glob("*.list")}
        return sorted(loaded_at, key=loaded_at.__getitem__, reverse=True)[but:]

    def _remove_left_behind(self) -> None:
        old = time.time() - _LEFT_BEHIND_S
        for pattern in (".fetching-*", ".removed-*"):
            for path in self.root.glob(pattern):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < old:
                        shutil.rmtree(path, ignore_errors=True)

    def _hold(self, sha256: str) -> CachedArtifact | None:
        try:
            listed = self._list(sha256).open("rb")
        except FileNotFoundError:
            return None
        fcntl.flock(listed, fcntl.LOCK_SH)
        os.utime(listed.fileno())  # `prune` goes by this time
        return CachedArtifact(self.root / sha256, listed)

    def _move_out(self, sha256: str, draft: Path) -> None:
        for path in (self._list(sha256), self.root / sha256):
            with suppress(FileNotFoundError):
                path.rename(draft / path.name)

    def _list(self, sha256: str) -> Path:
        return self.root / f"{sha256}.list"

    @contextmanager
    def _draft(self, prefix: str) -> Iterator[Path]:
        """Give a private folder in the cache, and remove it with what is in it."""
        folder = Path(tempfile.mkdtemp(dir=self.root, prefix=prefix))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        lock = os.open(self.root / ".lock", flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def why_not_private(folder: Path) -> str:
    """Return why a folder is no cache; "" if it is usable or does not exist yet."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be used ({error.strerror})"
    if status.st_uid != os.geteuid():
        return "belongs to another user"
    if status.st_mode & 0o022:
        return "can be changed by other users"
    return ""
