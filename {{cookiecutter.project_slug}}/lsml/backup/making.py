"""Makes a backup: a folder with the database, the artifacts and a manifest."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from lsml.audit.exclusive import schema_lock
from lsml.audit.grants import SEAL_NUMBERS
from lsml.audit.models import AuditEntry, Seal
from lsml.audit.sealing import seals_ever_made
from lsml.audit.services import record_command
from lsml.backup import artifacts, tables
from lsml.backup.errors import BackupRefused
from lsml.backup.manifest import Manifest
from lsml.backup.progress import progress_bar
from lsml.registry.models import ModelVersion
from lsml.training.process.provenance import commit


@dataclass(frozen=True, slots=True)
class Backup:
    """A complete backup, and the SHA-256 (hex) of its manifest."""

    manifest: Manifest
    sha256: str


def make_backup(folder: Path, *, say: Callable[[str], object]) -> Backup:
    """Write a backup while the service runs.

    Args:
        folder: a new or empty one. It gets its name when everything is in it.
        say: receives a line if this has to wait.

    Raises:
        BackupRefused: The folder cannot be used, migrations are missing, or the
            artifact storage does not answer; or the backup is complete but could not
            be recorded. The message says which.
        OSError: The files cannot be written.
    """
    with _draft(folder) as draft:
        with schema_lock(shared=True, say=say):
            manifest, versions = _copy_database(draft)
        connection.close()  # not needed for hours: a firewall would drop it
        size = sum(each.artifact_bytes for each in versions)
        with progress_bar("artifacts", total=size, unit="B") as bar:
            copied, missing = artifacts.copy_out(versions, draft, bar.update)
        manifest = replace(manifest, artifacts=copied, missing_artifacts=missing)
        sha256 = manifest.write(draft)
    try:
        record_command(
            "backup",
            verb=AuditEntry.Verb.BACKUP_MADE,
            target=folder.name,
            detail={"made_at": manifest.made_at, "manifest_sha256": sha256},
        )
    except DatabaseError as error:
        raise BackupRefused(
            f"The backup in {folder} is complete, but it was not recorded in the audit"
            f" log: {error}\nSHA-256 of its manifest: {sha256}"
        ) from error
    return Backup(manifest, sha256)


def _copy_database(draft: Path) -> tuple[Manifest, list[ModelVersion]]:
    """Copy all rows as of one moment; return the versions of that moment as well."""
    # Read before the snapshot: otherwise a seal made in between would look removed.
    seals = seals_ever_made()
    with tables.one_snapshot():
        made_at = timezone.now()
        last_seal = Seal.objects.order_by("-number").values_list("number", "digest")
        with progress_bar(
            "database", total=tables.rows_estimated(), unit="rows"
        ) as bar:
            stored = [
                tables.copy_out(name, draft, bar.update) for name in tables.our_tables()
            ]
        manifest = Manifest(
            made_at=made_at.isoformat(timespec="seconds"),
            commit=commit() or "",
            postgresql=connection.connection.info.parameter_status("server_version"),
            migrations=_applied_migrations(),
            last_seal=list(last_seal.first() or ()),
            tables=stored,
            # Read after the rows: the others must not be behind them.
            sequences=tables.sequences() | {SEAL_NUMBERS: [max(seals, 1), seals > 0]},
            artifacts=[],
            missing_artifacts=[],
        )
        return manifest, artifacts.versions_with_artifact()


def _applied_migrations() -> list[list[str]]:
    executor = MigrationExecutor(connection)
    if missing := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise BackupRefused(
            f"{len(missing)} migrations are not applied. Make the backup with the code"
            " that the service runs, or run `manage.py prepare` first."
        )
    # Not those of apps that were removed: their tables are not in the backup, either.
    known = executor.loader.disk_migrations.keys()
    return sorted(map(list, known & executor.loader.applied_migrations.keys()))


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """Give a private folder beside the backup's; rename it when all is in it."""
    _refuse_folder(folder)
    draft = folder.with_name(f"{folder.name}.partial")
    _refuse_draft(draft)
    draft.mkdir(mode=0o700, parents=True)
    try:
        yield draft
        for each in (draft / "database", draft / "artifacts", draft):
            _sync(each)
        draft.rename(folder)
        _sync(folder.parent)
    except BaseException:  # Ctrl-C as well
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _refuse_folder(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupRefused(f"{folder} is not an empty folder. Name a new one.")
    if folder.is_mount():
        raise BackupRefused(f"{folder} is a mount point. Name a new folder inside it.")


def _refuse_draft(draft: Path) -> None:
    if draft.exists():
        raise BackupRefused(
            f"{draft} exists: another backup is being made, or was killed. It is not"
            " complete. If no backup runs, remove it."
        )


def _sync(folder: Path) -> None:
    if folder.exists():
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # the names in it
        finally:
            os.close(descriptor)
