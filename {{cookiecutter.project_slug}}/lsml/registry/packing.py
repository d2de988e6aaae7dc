"""Packs the files of a run as a tar, unpacks it, and checks unpacked files.

Beside the unpacked files, the tar's list is kept: a copy of the tar with holes where
the contents of the files were. List and files together give the bytes of the tar again,
names and sizes included. So the digest of the tar, which the registry has, covers both,
and the list needs no protection of its own.
"""

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

_CHUNK = 1 << 20


class NotPlain(Exception):
    """The tar contains something else than files and folders below its top.

    The message says what, as a part of a sentence.
    """


class _Changed(Exception):
    """The unpacked files are not those of the tar."""


def pack(folder: Path, *, into: IO[bytes]) -> None:
    """Write the contents of a folder as a tar. A link becomes what it points to."""
    with tarfile.open(fileobj=into, mode="w", dereference=True) as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)


def unpack(packed: IO[bytes], *, into: Path, list_path: Path) -> None:
    """Unpack a tar and write its list, for nobody but this user whatever the umask.

    The tar may not be compressed and no file sparse, so the files take no more space
    than the tar.

    Args:
        packed: The tar.
        into: An empty folder.
        list_path: A new file.

    Raises:
        NotPlain: It contains a link, a device, or a path that leaves the folder.
        tarfile.TarError: It is no tar, or incomplete.
    """
    size = packed.seek(0, os.SEEK_END)
    members = _members(packed)
    for folder in members:
        if folder.isdir():
            (into / folder.name).mkdir(mode=0o700)
    with _create(list_path) as listed:
        for start, end, member in _parts(members, size):
            packed.seek(start)
            listed.seek(start)
            _copy(packed, listed, end - start)
            if member is not None:
                with _create(into / member.name, mode=member.mode) as file:
                    _copy(packed, file, member.size)
        listed.truncate(size)


def is_unchanged(folder: Path, listed: IO[bytes], *, sha256: str, size: int) -> bool:
    """Return whether a folder contains what was unpacked, and nothing else.

    Args:
        folder: The unpacked files. They are read once.
        listed: The tar's list.
        sha256: Digest of the tar (hex).
        size: Of the tar in bytes.
    """
    try:
        return _sha256_again(folder, listed, size) == sha256
    except Exception:  # noqa: BLE001 - whatever a changed list makes tarfile raise
        return False


def _sha256_again(folder: Path, listed: IO[bytes], size: int) -> str:
    """Return the digest of the tar that list and files make."""
    if os.fstat(listed.fileno()).st_size != size:
        raise _Changed
    members = _members(listed)
    if _entries(folder) != {(member.name, member.isdir()) for member in members}:
        raise _Changed
    digest = hashlib.sha256()
    for start, end, member in _parts(members, size):
        listed.seek(start)
        _feed(digest, listed, end - start)
        if member is not None:
            with (folder / member.name).open("rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size != member.size:
                    raise _Changed
                _feed(digest, file, member.size)
    return digest.hexdigest()


def _members(packed: IO[bytes]) -> list[tarfile.TarInfo]:
    """Return the files and folders of a tar, or of its list."""
    packed.seek(0)
    found: dict[str, tarfile.TarInfo] = {}
    with tarfile.open(fileobj=packed, mode="r:") as tar:  # "r:": not compressed
        for member in tar:
            path = PurePosixPath(member.name)
            inside = path.parts and not path.is_absolute() and ".." not in path.parts
            plain = (member.isreg() and not member.issparse()) or member.isdir()
            if not inside or not plain or str(path) != member.name:
                raise NotPlain(
                    f"{member.name!r} in it is a link, a device, a sparse file, or"
                    " outside the artifact's folder"
                )
            if member.name in found:
                raise NotPlain(f"{member.name!r} is in it twice")
            found[member.name] = member
    return list(found.values())


def _parts(
    members: list[tarfile.TarInfo], size: int
) -> Iterator[tuple[int, int, tarfile.TarInfo | None]]:
    """Yield the ranges (bytes) outside the files, each with the file that follows."""
    start = 0
    for member in members:
        if member.isreg():
            yield start, member.offset_data, member
            start = member.offset_data + member.size
    yield start, size, None


def _entries(folder: Path) -> set[tuple[str, bool]]:
    """Return the paths below a folder, and whether each is a folder.

    Raises:
        _Changed: Something is neither file nor folder, or others may change it.
    """
    found = set()
    waiting = [folder]
    _check(folder.lstat())
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                _check(entry.stat(follow_symlinks=False))
                path = Path(entry.path)
                is_folder = entry.is_dir(follow_symlinks=False)
                found.add((path.relative_to(folder).as_posix(), is_folder))
                if is_folder:
                    waiting.append(path)
    return found


def _check(status: os.stat_result) -> None:
    plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    if not plain or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise _Changed


def _create(path: Path, *, mode: int = 0) -> IO[bytes]:
    """Create a file that only its owner may use; executable if `mode` says so."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    return os.fdopen(os.open(path, flags, 0o600 | mode & 0o100), "wb")


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> None:
    while size > 0:
        chunk = source.read(min(_CHUNK, size))
        if not chunk:
            raise tarfile.ReadError("unexpected end of data")
        target.write(chunk)
        size -= len(chunk)


def _feed(digest: "hashlib._Hash", file: IO[bytes], size: int) -> None:
    while size > 0:
        chunk = file.read(min(_CHUNK, size))
        if not chunk:
            raise _Changed
        digest.update(chunk)
        size -= len(chunk)
