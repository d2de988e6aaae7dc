"""Stores the files of a run as a tar, and fetches them to this host's cache."""

import errno
import hashlib
import os
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog
from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages

from lsml.registry.artifact_cache import ArtifactCache, CachedArtifact
from lsml.registry.errors import (
    ArtifactDamaged,
    ArtifactMissing,
    ArtifactRefused,
    RegistryError,
    StorageUnavailable,
)
from lsml.registry.packing import NotPlain, pack

log = structlog.get_logger(__name__)

_CHUNK = 1 << 20
# Artifacts in the cache for each model that a process may have in memory: the one that
# is served, and the one that a roll-back returns to.
_KEPT_PER_MODEL = 2
_RETRY_AFTER_S = (0.5, 1.5)
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


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

    The key belongs to one attempt of one run. What an earlier try left under it is
    replaced. If no version refers to the artifact in the end, the code that ends the
    attempt removes it.

    Raises:
        StorageUnavailable: No space, no access or no answer. A part of the artifact may
            be stored under the key.
        OSError: A file of the folder cannot be read.
    """
    if not any(folder.iterdir()):
        return None
    try:
        packed = _packed(folder)
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        raise _not_stored(error) from error
    with packed:
        size = packed.seek(0, os.SEEK_END)
        packed.seek(0)
        sha256 = _sha256(packed)
        packed.seek(0)
        try:
            storage = artifact_storage()
            storage.delete(key)  # otherwise a folder stores it under another name
            storage.save(key, File(packed))
        except MemoryError:
            raise
        except Exception as error:  # each storage raises errors of its own library
            raise _not_stored(error) from error
    return Artifact(key=key, sha256=sha256, size=size)


def _packed(folder: Path) -> IO[bytes]:
    packed = tempfile.TemporaryFile(dir=folder.parent)  # noqa: SIM115 - the caller's
    pack(folder, into=packed)
    return packed


def _not_stored(error: Exception) -> StorageUnavailable:
    return StorageUnavailable.because_of(error, "The artifact was not stored")


def remove_artifact(key: str) -> None:
    """Remove what is stored under `key`, if anything."""
    artifact_storage().delete(key)


def fetch_artifact(artifact: Artifact, *, cache: Path | None = None) -> CachedArtifact:
    """Return an artifact unpacked on this host, fetching it on first use.

    Its files are checked before they are returned. If somebody changed them, they are
    discarded and fetched again. Keep the returned object while the files are needed.

    Retries for about two seconds if the storage does not answer. A missing or damaged
    file is not retried.

    Args:
        artifact: Which one.
        cache: Where unpacked artifacts are kept; default: ARTIFACT_CACHE_DIR.

    Raises:
        ArtifactDamaged: The stored bytes are not those of the version.
        ArtifactMissing: The artifact is not in the storage.
        ArtifactRefused: It contains something else than files and folders.
        CacheRefused: Other users can write to the cache.
        StorageUnavailable: The storage does not answer, or this disk is full.
    """
    kept = ArtifactCache(cache or settings.ARTIFACT_CACHE_DIR)
    for pause_s in (*_RETRY_AFTER_S, None):
        try:
            return _checked(artifact, kept)
        except RegistryError:
            raise
        except Exception as error:  # each storage raises errors of its own library
            if pause_s is None:
                raise StorageUnavailable.because_of(
                    error, f"Artifact {artifact.key} was not fetched"
                ) from error
            time.sleep(pause_s)
    raise AssertionError("unreachable")  # the last pause is None


def _checked(artifact: Artifact, cache: ArtifactCache) -> CachedArtifact:
    """Return it from the cache if it is unchanged there, otherwise from the storage."""
    while True:  # several processes may do this at once
        found = cache.find(artifact.sha256)
        if found is None:
            if added := _fetch(artifact, cache):
                return added
        elif found.is_unchanged(sha256=artifact.sha256, size=artifact.size):
            if cache.has(artifact.sha256, found):
                return found
        else:
            log.warning(
                "artifact was changed in the cache; fetching it again",
                key=artifact.key,
                folder=str(found.folder),
            )
            if added := _fetch(artifact, cache, instead_of=found):
                return added


def _fetch(
    artifact: Artifact,
    cache: ArtifactCache,
    *,
    instead_of: CachedArtifact | None = None,
) -> CachedArtifact | None:
    """Fetch and unpack it; None if another process did meanwhile.

    Args:
        artifact: Which one.
        cache: Where to.
        instead_of: A changed copy, discarded once the artifact is on this host: other
            processes may use it, and the storage may be away.
    """
    with tempfile.TemporaryFile(dir=cache.root) as local:
        _download(artifact, local)
        if instead_of:
            cache.discard(artifact.sha256, instead_of)
        try:
            added = cache.add(artifact.sha256, local)
        except NotPlain as error:
            raise ArtifactRefused(artifact.key, str(error)) from error
        except tarfile.TarError as error:
            raise ArtifactRefused(artifact.key, "it is no tar") from error
    try:
        cache.prune(keep=_KEPT_PER_MODEL * settings.MODELS_IN_MEMORY_MAX)
    except OSError as error:  # the artifact can be used all the same
        log.warning("artifact cache not pruned", error=str(error))
    return added


def _download(artifact: Artifact, local: IO[bytes]) -> None:
    """Copy the stored bytes, and check that they are those of the version."""
    digest = hashlib.sha256()
    left = artifact.size + 1  # of a larger file, no more is needed to refuse it
    try:
        stored = artifact_storage().open(artifact.key, "rb")
    except FileNotFoundError as error:
        raise ArtifactMissing(artifact.key) from error
    with stored:
        while chunk := stored.read(min(_CHUNK, left)):
            digest.update(chunk)
            local.write(chunk)
            left -= len(chunk)
    if digest.hexdigest() != artifact.sha256:
        raise ArtifactDamaged(
            artifact.key, expected=artifact.sha256, found=digest.hexdigest()
        )


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
