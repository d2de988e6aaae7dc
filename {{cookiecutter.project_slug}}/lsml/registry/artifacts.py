"""Stores the files of a run as a tar, and unpacks them once per host."""

import hashlib
import shutil
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages

from lsml.registry.errors import ArtifactDamaged, ArtifactUnavailable

_CHUNK = 1 << 20
_RETRY_AFTER_S = (0.5, 1.5)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored tar: its key and its digest."""

    key: str
    sha256: str  # hex
    size: int  # bytes


def artifact_storage() -> Storage:
    """The storage ARTIFACT_STORAGE names."""
    return storages["artifacts"]


def store_artifact(folder: Path, *, key: str) -> Artifact | None:
    """Pack `folder` and store it under `key`; None when the folder is empty.

    The key belongs to one attempt of one run, so it is unused. If no version refers to
    the artifact in the end, the code that ends the attempt removes it.

    Raises:
        OSError: no space or no access. Nothing is left under the key.
    """
    if not any(folder.iterdir()):
        return None
    with tempfile.TemporaryFile(dir=folder.parent) as packed:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for path in sorted(folder.iterdir()):
                tar.add(path, arcname=path.name)
        size = packed.tell()
        packed.seek(0)
        sha256 = _sha256(packed)
        packed.seek(0)
        artifact_storage().save(key, File(packed))
    return Artifact(key=key, sha256=sha256, size=size)


def remove_artifact(key: str) -> None:
    """Remove what is stored under `key`, if anything."""
    artifact_storage().delete(key)


def fetch_artifact(artifact: Artifact, *, cache: Path | None = None) -> Path:
    """Return the unpacked folder of an artifact on this host, fetching it on first use.

    Retries for about two seconds if the storage does not answer. A missing or damaged
    file is not retried.

    Args:
        artifact: Which one.
        cache: Where unpacked artifacts are kept; default: ARTIFACT_CACHE_DIR.

    Raises:
        ArtifactDamaged: the stored bytes are not those of the version.
        ArtifactUnavailable: the artifact is not in the storage, or cannot be read.
    """
    folder: Path = (cache or settings.ARTIFACT_CACHE_DIR) / artifact.sha256
    for pause_s in (*_RETRY_AFTER_S, None):
        try:
            return folder if folder.exists() else _fetch(artifact, folder)
        except ArtifactDamaged:
            raise
        except Exception as error:  # each storage raises errors of its own library
            if pause_s is None or isinstance(error, FileNotFoundError):
                raise ArtifactUnavailable(artifact.key, error) from error
            time.sleep(pause_s)
    raise AssertionError("unreachable")  # the last pause is None


def _fetch(artifact: Artifact, folder: Path) -> Path:
    """Fetch and unpack. Several processes may do it: one rename creates the folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unpacked = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".fetching-"))
    try:
        with artifact_storage().open(artifact.key, "rb") as stored:
            _unpack(stored, artifact, into=unpacked)
        unpacked.rename(folder)
    except OSError:
        if not folder.exists():  # another process unpacked it first
            raise
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return folder


def _unpack(stored: IO[bytes], artifact: Artifact, *, into: Path) -> None:
    with tempfile.TemporaryFile(dir=into.parent) as local:
        shutil.copyfileobj(stored, local, _CHUNK)
        local.seek(0)
        found = _sha256(local)
        if found != artifact.sha256:
            raise ArtifactDamaged(artifact.key, expected=artifact.sha256, found=found)
        local.seek(0)
        with tarfile.open(fileobj=local) as tar:
            # Python 3.11 before 3.11.4 has no filters; by its digest the tar is ours.
            if hasattr(tarfile, "data_filter"):
                tar.extraction_filter = tarfile.data_filter
            tar.extractall(into)  # noqa: S202 - see above


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
