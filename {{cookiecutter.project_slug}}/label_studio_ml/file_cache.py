"""A folder of fetched files with a size limit, shared by several processes."""

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

_OURS = re.compile(r"[0-9a-f]{32}__")  # a model's folder may contain other files
_PART = ".part-"
_ABANDONED_S = 3600  # the process that wrote a part this old has ended


class FileTooLarge(ValueError):
    """A file is larger than the limit of the whole cache."""


@dataclass(frozen=True, slots=True)
class FileCache:
    """Files by key. Above `max_bytes` the least recently used files are removed.

    Attributes:
        folder: Where the files are; created if missing.
        max_bytes: Limit for all files together, including the newest.
    """

    folder: Path
    max_bytes: int

    @classmethod
    def from_environment(cls, folder: str | None = None) -> FileCache:
        """Create the cache from LSML_CACHE_DIR and LSML_CACHE_MAX_MB (default 2048)."""
        chosen = folder or os.environ.get("LSML_CACHE_DIR") or _default_folder()
        max_mb = float(os.environ.get("LSML_CACHE_MAX_MB") or 2048)
        return cls(Path(chosen), int(max_mb * 1024**2))

    def path(self, key: str, name: str) -> Path:
        """Return the path of a key's file, which need not exist. It ends in `name`."""
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        safe = re.sub(r"[^\w.-]", "_", name)[-80:]
        return self.folder / f"{digest}__{safe}"

    def find(self, path: Path) -> bool:
        """Return whether the file exists, and mark it as used now."""
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def add(self, path: Path, chunks: Iterable[bytes]) -> Path:
        """Write a file so that readers see all of it or nothing, then make room.

        Raises:
            FileTooLarge: The file alone is larger than the cache's limit.
            PermissionError: The folder cannot be created.
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
                with suppress(FileNotFoundError):  # another process just removed it
                    status = entry.stat()
                    yield status.st_mtime, status.st_size, Path(entry.path)

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            raise FileTooLarge(
                f"A file is larger than {self.max_bytes / 1024**2:g} MB, the limit of "
                "the whole cache: raise LSML_CACHE_MAX_MB."
            )

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise PermissionError(
                f"The folder {self.folder} for fetched files cannot be created "
                f"({error.strerror}): set LSML_CACHE_DIR to a writable folder."
            ) from error

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # One process trims at a time: two at once would remove twice as much as needed.
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _default_folder() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME")
    return Path(caches or Path.home() / ".cache") / "lsml-files"
