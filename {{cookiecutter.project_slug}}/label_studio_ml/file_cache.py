"""A folder of fetched files, bounded in size, that processes can share."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_OURS = re.compile(r"[0-9a-f]{32}__")  # a folder given by a model may hold other files
_PART = ".part-"
_ABANDONED_S = 3600  # a part this old belongs to a process that is gone


class FileTooLarge(ValueError):
    """A file is larger than the whole cache may be."""


@dataclass(frozen=True, slots=True)
class FileCache:
    """Files by key. Beyond `max_bytes` in all, the least recently used ones go.

    Attributes:
        folder: Where the files are; made if missing.
        max_bytes: What all of them may take, the newest one included.
    """

    folder: Path
    max_bytes: int

    @classmethod
    def from_environment(cls, folder: str | None = None) -> FileCache:
        """Make the cache LSML_CACHE_DIR and LSML_CACHE_MAX_MB (2048) ask for."""
        chosen = folder or os.environ.get("LSML_CACHE_DIR") or _default_folder()
        max_mb = float(os.environ.get("LSML_CACHE_MAX_MB") or 2048)
        return cls(Path(chosen), int(max_mb * 1024**2))

    def path(self, key: str, name: str) -> Path:
        """Return where the file for a key is or would be; the ending is the name's."""
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        safe = re.sub(r"[^\w.-]", "_", name)[-80:]
        return self.folder / f"{digest}__{safe}"

    def find(self, path: Path) -> bool:
        """Tell whether the file is there, and count it as used."""
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def add(self, path: Path, chunks: Iterable[bytes]) -> Path:
        """Write a file so that others see all of it or nothing, then make room.

        Raises:
            FileTooLarge: It alone is larger than the cache may be.
            PermissionError: The folder cannot be written to.
        """
        self._make_folder()
        descriptor, part = tempfile.mkstemp(prefix=_PART, dir=self.folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                    self._check_size(file.tell())
            Path(part).replace(path)
        finally:
            Path(part).unlink(missing_ok=True)
        self.trim(keep=path)
        return path

    def trim(self, *, keep: Path | None = None) -> None:
        """Remove the least recently used files until the rest fits; never `keep`."""
        with self._lock():
            files = sorted(self._files(), key=lambda file: file[0])
            excess = sum(size for _, size, _ in files) - self.max_bytes
            for used_at, size, path in files:
                if path.name.startswith(_PART):
                    may_go = time.time() - used_at > _ABANDONED_S
                else:
                    may_go = excess > 0 and path != keep
                if may_go:
                    path.unlink(missing_ok=True)
                    excess -= size

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for entry in os.scandir(self.folder):
            if _OURS.match(entry.name) or entry.name.startswith(_PART):
                with suppress(FileNotFoundError):  # another process was faster
                    status = entry.stat()
                    yield status.st_mtime, status.st_size, Path(entry.path)

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            raise FileTooLarge(
                f"a file is larger than {self.max_bytes / 1024**2:g} MB, all the cache "
                "may hold: raise LSML_CACHE_MAX_MB"
            )

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise PermissionError(
                f"cannot make {self.folder} for fetched files ({error.strerror}): "
                "set LSML_CACHE_DIR to a folder that can be written to"
            ) from error

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # One process trims at a time: two would each remove what makes room.
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _default_folder() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME")
    return Path(caches or Path.home() / ".cache") / "lsml-files"
