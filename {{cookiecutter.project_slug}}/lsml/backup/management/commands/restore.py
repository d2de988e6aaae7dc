"""`manage.py restore DIR`: a backup into an empty database. Run it as the owner."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.checks import Tags
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from lsml.backup import restoring
from lsml.backup.errors import RestoreRefused
from lsml.backup.manifest import Manifest
from lsml.backup.servers import database_running
from lsml.environment.checking import TAG


class Command(BaseCommand):
    help = (
        "Restore a backup into an empty database and its artifacts into"
        " ARTIFACT_STORAGE, then do what `prepare` does: docs/recovery.md."
    )
    requires_system_checks: list[str] = []  # `handle` runs more than the usual ones

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="made by `manage.py backup`")
        parser.add_argument(
            "--sha256",
            metavar="HEX",
            help="that `backup` printed; a backup with another one is refused",
        )

    def handle(
        self, *_: Any, folder: Path, sha256: str | None = None, **__: Any
    ) -> None:
        folder = folder.absolute()
        try:
            manifest = restoring.check_backup(folder, sha256)
            with database_running(say=self.stdout.write):
                self._load(manifest, folder)
                self._finish(manifest, folder)
        except RestoreRefused as error:
            raise CommandError(str(error)) from error
        rows = sum(table.rows for table in manifest.tables)
        self.stdout.write(
            f"Restored as of {manifest.made_at}: {rows:,} rows, artifacts:"
            f" {len(manifest.artifacts)}. What came later is lost here. Label Studio"
            " has the annotations: run `manage.py sync` for each project."
        )
        for problem in manifest.missing_artifacts:
            self.stderr.write(f"The backup lacks {problem}")

    def _load(self, manifest: Manifest, folder: Path) -> None:
        # The checks tagged `database` write to the artifact storage.
        tags = [TAG, Tags.security, Tags.database]
        self.check(tags=tags, databases=["default"])
        try:
            restoring.refuse_target(manifest)
            restoring.restore_artifacts(manifest, folder)
            restoring.restore_database(manifest, folder)
        except DatabaseError as error:
            raise RestoreRefused(
                f"PostgreSQL refused it: {error}\nNo rows were restored. Run this as"
                " the owner of the database, again if need be."
            ) from error

    def _finish(self, manifest: Manifest, folder: Path) -> None:
        try:
            call_command("prepare", stdout=self.stdout)
            restoring.seal_restored(manifest, folder)
        except (CommandError, DatabaseError) as error:
            raise CommandError(
                f"{error}\nThe rows are restored. When this is corrected, run"
                " `manage.py prepare`, then `manage.py audit seal`."
            ) from error
