"""Copies the artifacts of all versions out of the storage, and back."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from django.core.files import File

from lsml.backup.errors import BackupRefused, RestoreRefused
from lsml.backup.manifest import (
    CHUNK,
    Manifest,
    Progress,
    StoredArtifact,
    StoredFile,
    digest,
    new_file,
)
from lsml.labelstudio.secrets import error_text
from lsml.registry.artifacts import artifact_storage
from lsml.registry.models import ModelVersion


def versions_with_artifact() -> list[ModelVersion]:
    """Return the versions whose artifacts a backup has."""
    return list(
        ModelVersion.objects.exclude(artifact_key="")
        .select_related("project")
        .only(
            "version",
            "artifact_key",
            "artifact_sha256",
            "artifact_bytes",
            "project__labelstudio_id",
        )
        .order_by("pk")
    )


def copy_out(
    versions: Iterable[ModelVersion], folder: Path, progress: Progress
) -> tuple[list[StoredArtifact], list[str]]:
    """Write the artifacts to files; `progress` is called with bytes.

    Returns:
        Those that were copied, and a sentence for each that is missing or damaged.

    Raises:
        BackupRefused: The storage does not answer.
    """
    copied, problems = [], []
    for version in versions:
        key = version.artifact_key
        name = f"version {version.version} of project {version.project.labelstudio_id}"
        path = f"artifacts/{version.pk}.tar"
        file = _copy_out(key, folder, path, progress)
        if file and file.sha256 == version.artifact_sha256:
            copied.append(StoredArtifact(name, key, file))
            continue
        (folder / path).unlink(missing_ok=True)
        why = "is damaged" if file else "is not in the artifact storage"
        problems.append(f"{key}, the artifact of {name}, {why}.")
    return copied, problems


def _copy_out(
    key: str, folder: Path, path: str, progress: Progress
) -> StoredFile | None:
    try:
        with artifact_storage().open(key, "rb") as stored:
            with new_file(folder, path) as file:
                while chunk := stored.read(CHUNK):
                    file.write(chunk)
                    progress(len(chunk))
            return file.stored
    except FileNotFoundError:
        return None
    except Exception as error:  # each storage raises errors of its own library
        raise BackupRefused(
            f"The artifact {key} was not copied: {error_text(error)}"
        ) from error


def refuse_others(manifest: Manifest) -> None:
    """Make sure that nothing else is stored where the artifacts belong.

    Raises:
        RestoreRefused: Another service may use the storage.
    """
    for artifact in manifest.artifacts:
        if _stored_digest(artifact.key) not in {None, artifact.file.sha256}:
            raise RestoreRefused(
                f"ARTIFACT_STORAGE has another file under {artifact.key}, which is the"
                f" artifact of {artifact.version} in the backup. Nothing was changed."
                " Set ARTIFACT_STORAGE to an empty place or, if no other service uses"
                " this one, remove the file."
            )


def copy_in(manifest: Manifest, folder: Path, progress: Progress) -> None:
    """Store the artifacts that are not in the storage yet.

    Raises:
        RestoreRefused: The storage cannot be written. The database was not changed.
    """
    for artifact in manifest.artifacts:
        try:
            if not artifact_storage().exists(artifact.key):
                with (folder / artifact.file.path).open("rb") as file:
                    _store(artifact.key, file)
        except Exception as error:  # each storage raises errors of its own library
            raise RestoreRefused(
                f"The artifact {artifact.key} was not stored: {error_text(error)} The"
                " database was not changed. Run the command again."
            ) from error
        progress(artifact.file.size)


def _store(key: str, file: IO[bytes]) -> None:
    try:
        artifact_storage().save(key, File(file))
    except BaseException:  # Ctrl-C as well
        # The next `restore` would take a part for a file of another service.
        with suppress(Exception):
            artifact_storage().delete(key)
        raise


def _stored_digest(key: str) -> str | None:
    try:
        with artifact_storage().open(key, "rb") as stored:
            return digest(stored)
    except FileNotFoundError:
        return None
