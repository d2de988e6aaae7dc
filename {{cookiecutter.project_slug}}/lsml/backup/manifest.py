"""The manifest of a backup: what it consists of, with the digest of each file.

It is written last. A folder without it is no backup. Plain Python.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any, Final, Self

from lsml.backup.errors import RestoreRefused

FORMAT: Final = 1  # of the folder; increase it when an older `restore` cannot read it
NAME: Final = "manifest.json"
CHUNK: Final = 1 << 20
Progress = Callable[
    [int], object
]  # called with the number of bytes since the last call


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the backup."""

    path: str  # in the backup's folder
    size: int  # bytes
    sha256: str  # hex


@dataclass(frozen=True, slots=True)
class StoredTable:
    """The rows of a table, as PostgreSQL's COPY writes them, compressed."""

    name: str
    columns: list[str]
    rows: int
    months: list[str]  # "2026-11": of a partitioned table, the first and the last
    file: StoredFile


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """The artifact of a version."""

    version: str  # for people
    key: str  # in the artifact storage
    file: StoredFile


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup consists of."""

    made_at: str  # ISO; the moment that the database is restored to
    commit: str  # of the code; "" = unknown
    postgresql: str  # version
    migrations: list[list[str]]  # app and name of each that was applied
    last_seal: list[Any]  # number and digest; empty = none
    tables: list[StoredTable]
    sequences: dict[str, list[Any]]  # last value, and whether it was used
    artifacts: list[StoredArtifact]
    missing_artifacts: list[str]  # sentences: why the backup does not have them

    @property
    def files(self) -> dict[str, StoredFile]:
        """All files by path: several versions may have the same artifact."""
        parts: list[StoredTable | StoredArtifact] = [*self.tables, *self.artifacts]
        return {part.file.path: part.file for part in parts}

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())

    def write(self, folder: Path) -> str:
        """Write the manifest into the backup's folder; return its SHA-256 (hex)."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1)
        with new_file(folder, NAME) as file:
            file.write(text.encode())
        return file.stored.sha256

    @classmethod
    def read(cls, folder: Path, sha256: str | None = None) -> Self:
        """Read the manifest of a backup.

        Args:
            folder: of the backup.
            sha256: what its SHA-256 (hex) must be; None = unknown.

        Raises:
            RestoreRefused: There is none, it is another one, or this code cannot read
                it.
        """
        try:
            content = (folder / NAME).read_bytes()
            _check_digest(folder, content, sha256)
            facts = json.loads(content)
            if (found := facts.pop("format")) != FORMAT:
                raise RestoreRefused(
                    f"{folder} has the format {found}, which this version of the code"
                    " does not know. Restore it with the version that made it."
                )
            tables, artifacts = facts.pop("tables"), facts.pop("artifacts")
            manifest = cls(
                tables=[StoredTable(**_with_file(each)) for each in tables],
                artifacts=[StoredArtifact(**_with_file(each)) for each in artifacts],
                **facts,
            )
            manifest._check_values()
        except OSError as error:
            raise RestoreRefused(
                f"{folder} is not a complete backup: {NAME} cannot be read"
                f" ({error.strerror}). `manage.py backup` writes it last."
            ) from error
        except (
            *(ValueError, TypeError, KeyError, AttributeError),
            RecursionError,  # of nested lists without end
        ) as error:
            raise RestoreRefused(
                f"{folder / NAME} was changed: it is not a manifest ({error})."
            ) from error
        return manifest

    def _check_values(self) -> None:
        """Raise ValueError if a value has another form than `write` gave it."""
        _check(
            _are(self.missing_artifacts, str)
            and all(list(map(type, each)) == [str, str] for each in self.migrations)
            and list(map(type, self.last_seal)) in ([], [int, str])
            and all(
                list(map(type, each)) == [int, bool] for each in self.sequences.values()
            ),
            "migrations, seal or sequences",
        )
        for table in self.tables:
            _check(_are(table.columns, str) and type(table.rows) is int, table.name)
            _check(len(list(map(date.fromisoformat, table.months))) in {0, 2}, "months")
        # `restore` must not read or write other files of this host.
        for path in [*self.files, *(each.key for each in self.artifacts)]:
            parts = Path(path)
            _check(not parts.is_absolute() and ".." not in parts.parts, path)
        _check(all(type(file.size) is int for file in self.files.values()), "size")

    def problems(self, folder: Path, progress: Progress) -> Iterator[str]:
        """Compare all files with the manifest; yield a sentence for each difference."""
        of = {
            each.file.path: f", the artifact of {each.version}"
            for each in self.artifacts
        }
        for path, expected in self.files.items():
            name = f"{path}{of.get(path, '')}"
            try:
                with (folder / path).open("rb") as file:
                    sha256 = digest(file, progress)
            except FileNotFoundError:
                yield f"Missing: {name}."
            except OSError as error:
                yield f"Cannot be read ({error.strerror}): {name}."
            else:
                if sha256 != expected.sha256:
                    yield f"Changed: {name}."


def _check_digest(folder: Path, content: bytes, expected: str | None) -> None:
    found = hashlib.sha256(content).hexdigest()
    if expected is not None and found != expected.lower():
        raise RestoreRefused(
            f"The manifest of {folder} has the SHA-256 {found}, not {expected}: it is"
            " another backup, or was changed. Nothing was restored."
        )


def _with_file(facts: dict[str, Any]) -> dict[str, Any]:
    return {**facts, "file": StoredFile(**facts["file"])}


def _are(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(type(each) is kind for each in values)


def _check(is_right: bool, what: object) -> None:
    if not is_right:
        raise ValueError(what)


def digest(file: IO[bytes], progress: Progress = lambda _: None) -> str:
    """Return the SHA-256 (hex) of an open file, read to its end."""
    sha256 = hashlib.sha256()
    while chunk := file.read(CHUNK):
        sha256.update(chunk)
        progress(len(chunk))
    return sha256.hexdigest()


class NewFile:
    """A file of the backup while it is written."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._file, self._path = file, path
        self._sha256, self._size = hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        """Append bytes."""
        self._file.write(data)
        self._sha256.update(data)
        self._size += len(data)
        return len(data)

    @property
    def stored(self) -> StoredFile:
        """What was written so far."""
        return StoredFile(self._path, self._size, self._sha256.hexdigest())


@contextmanager
def new_file(folder: Path, path: str) -> Iterator[NewFile]:
    """Create a file in the backup's folder; it is on the disk when this returns."""
    (folder / path).parent.mkdir(exist_ok=True)
    with (folder / path).open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        yield NewFile(file, path)
        file.flush()
        os.fsync(file.fileno())
