"""The errors of the registry."""

from pathlib import Path
from typing import Self

from lsml.labelstudio.secrets import error_text


class RegistryError(Exception):
    """Base of the registry's errors. The message is a sentence for people."""


class StorageUnavailable(Exception):
    """The artifact storage, or the disk, cannot be used now. Trying again is safe.

    Not an error of a version or of the model. The message is a sentence for people.
    """

    retry_after_s = 5

    @classmethod
    def because_of(cls, error: Exception, what: str) -> Self:
        """Say what could not be done, and why."""
        return cls(f"{what}: the artifact storage cannot be used. {error_text(error)}")


class UnknownProject(RegistryError):
    """There is no project with that key."""

    def __init__(self, key: object) -> None:
        super().__init__(
            f"Project {key} is not known here. Connect Label Studio to it first"
            " (manage.py connect)."
        )


class UnknownVersion(RegistryError):
    """The project has no version with that name."""

    def __init__(self, version: str, known: list[str]) -> None:
        self.version = version
        names = ", ".join(known[:10]) or "none yet"
        super().__init__(f"There is no version {version!r}. Known: {names}.")


class NotPromotable(RegistryError):
    """The version cannot be promoted. The message says why."""


class ShadowRefused(RegistryError):
    """The shadow cannot be started or stopped. The message says why."""


class NothingToRollBackTo(RegistryError):
    """No earlier promotion exists."""

    def __init__(self) -> None:
        super().__init__(
            "Nothing to roll back to: this project never served another version."
        )


class ArtifactMissing(RegistryError):
    """The artifact is not in the storage."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Artifact {key} is not in the artifact storage. Web and workers need the"
            " same ARTIFACT_STORAGE."
        )


class ArtifactDamaged(RegistryError):
    """The stored bytes differ from those of the version."""

    def __init__(self, key: str, *, expected: str, found: str) -> None:
        super().__init__(
            f"Artifact {key} is damaged: its SHA-256 is {found[:12]}…, the version"
            f" says {expected[:12]}…. Restore the file, or roll back."
        )


class ArtifactRefused(RegistryError):
    """The artifact contains something else than files and folders."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(
            f"Artifact {key} is not unpacked: {reason}. Train again with plain files in"
            " run.artifacts."
        )


class CacheRefused(RegistryError):
    """The cache of artifacts cannot be used, or others could change what is in it."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"The artifact cache {folder} {reason}. Make it a folder that belongs to"
            " the service's user and that nobody else may write to (chmod 700), or set"
            " ARTIFACT_CACHE_DIR to another one."
        )
