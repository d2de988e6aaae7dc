"""Restores a backup into an empty database, and its artifacts into the storage."""

from pathlib import Path
from typing import Final

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from lsml.audit import anchors
from lsml.audit.exclusive import schema_lock
from lsml.audit.models import AuditEntry
from lsml.audit.sealing import seal
from lsml.audit.services import record_command
from lsml.backup import artifacts, tables
from lsml.backup.errors import RestoreRefused
from lsml.backup.manifest import Manifest
from lsml.backup.progress import progress_bar

_PROBLEMS_MAX: Final = 100  # named at once


def check_backup(folder: Path, sha256: str | None) -> Manifest:
    """Return the manifest of a backup whose files all are as it says.

    Args:
        folder: of the backup.
        sha256: what the SHA-256 (hex) of its manifest must be; None = unknown.

    Raises:
        RestoreRefused: It is not complete, files are missing or changed, or it is not
            the expected one.
    """
    manifest = Manifest.read(folder, sha256)
    with progress_bar("checking", total=manifest.size, unit="B") as bar:
        problems = list(manifest.problems(folder, bar.update))
    if problems:
        named = "\n".join(problems[:_PROBLEMS_MAX])
        raise RestoreRefused(
            f"{named}\n{len(problems)} files of {folder} are not as its manifest says."
            " Nothing was restored: use another backup, or another copy of this one."
        )
    return manifest


def refuse_target(manifest: Manifest) -> None:
    """Make sure that the database is empty, and that nothing else is in the way.

    Raises:
        RestoreRefused: It is not. Nothing was changed.
    """
    migrations = _Migrations(manifest)
    if unknown := migrations.unknown():
        raise RestoreRefused(
            f"This code does not have these migrations of the backup: {unknown}. Use"
            f" the code that made the backup{_at(manifest.commit)}, or a newer one."
            " Nothing was changed."
        )
    tables.refuse_rows()
    if newer := migrations.newer():
        raise RestoreRefused(
            f"The database has migrations that the backup lacks: {newer}. Nothing was"
            " changed. Restore into a new database: docs/recovery.md."
        )
    _refuse_anchors(manifest)
    artifacts.refuse_others(manifest)


def restore_artifacts(manifest: Manifest, folder: Path) -> None:
    """Store the artifacts. First, so that no version is without its artifact.

    Raises:
        RestoreRefused: The storage cannot be written.
    """
    size = sum(each.file.size for each in manifest.artifacts)
    with progress_bar("artifacts", total=size, unit="B") as bar:
        artifacts.copy_in(manifest, folder, bar.update)


def restore_database(manifest: Manifest, folder: Path) -> None:
    """Create the tables as they were, and load all rows in one transaction.

    Raises:
        RestoreRefused: The tables are not those of the backup, or the database is no
            longer empty.
    """
    size = sum(each.file.size for each in manifest.tables)
    with schema_lock():
        tables.refuse_rows()  # again: storing the artifacts may have taken hours
        _Migrations(manifest).apply()
        with progress_bar("database", total=size, unit="B") as bar:
            tables.replace_rows(manifest, folder, bar.update)


def seal_restored(manifest: Manifest, folder: Path) -> None:
    """Record the restore, and seal what was unsealed when the backup was made."""
    record_command(
        "restore",
        verb=AuditEntry.Verb.BACKUP_RESTORED,
        target=folder.name,
        detail={"made_at": manifest.made_at, "last_seal": manifest.last_seal},
    )
    seal()


class _Migrations:
    """The migrations of a backup, beside those of this code and of the database."""

    def __init__(self, manifest: Manifest) -> None:
        self._executor = MigrationExecutor(connection)
        self._wanted = {(app, name) for app, name in manifest.migrations}

    def unknown(self) -> str:
        """Return those of the backup that this code does not have, as text."""
        return _named(self._wanted - self._executor.loader.disk_migrations.keys())

    def newer(self) -> str:
        """Return those of the database that the backup does not have, as text."""
        return _named(self._executor.loader.applied_migrations.keys() - self._wanted)

    def apply(self) -> None:
        """Apply those that are missing, up to those of the backup."""
        nodes = self._executor.loader.graph.node_map
        wanted = self._wanted & nodes.keys()  # others were squashed
        self._executor.migrate(
            sorted(
                key
                for key in wanted
                if not any(
                    child.key in wanted and child.key[0] == key[0]
                    for child in nodes[key].children
                )
            )
        )


def _refuse_anchors(manifest: Manifest) -> None:
    """Refuse a place to which a later seal was published than the backup has."""
    number, digest = manifest.last_seal or (0, "")
    try:
        for published, its_digest in anchors.published():
            if published > number or (published == number and its_digest != digest):
                raise RestoreRefused(
                    f"AUDIT_ANCHOR has seal {published}, but the backup ends with seal"
                    f" {number}: what was sealed later is lost. Keep that place, which"
                    " proves it, and set AUDIT_ANCHOR to a new one. Nothing was"
                    " changed."
                )
    except anchors.NotAnAnchor:
        pass  # a new place; `audit verify` reports one that cannot be read


def _named(migrations: set[tuple[str, str]]) -> str:
    return ", ".join(f"{app}.{name}" for app, name in sorted(migrations))


def _at(commit: str) -> str:
    return f" (commit {commit[:12]})" if commit else ""
