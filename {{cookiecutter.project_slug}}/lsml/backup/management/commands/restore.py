"""`manage.py restore DIR`: a backup into an empty database. Run it as the owner."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.checks import Tags
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from lsml.backup import restoring
from lsml.backup.errors import RestoreRefused
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

    def handle(self, *_: Any, folder: Path, **__: Any) -> None:
        folder = folder.absolute()
        try:
            manifest = restoring.check_backup(folder)
            with database_running(say=self.stdout.write):
                # Those tagged `database` write to the artifact storage.
                tags = [TAG, Tags.security, Tags.database]
                self.check(tags=tags, databases=["default"])
                restoring.refuse_target(manifest)
                restoring.restore_artifacts(manifest, folder)
                restoring.restore_database(manifest, folder)
                call_command("prepare", stdout=self.stdout)
                restoring.seal_restored(manifest, folder)
        except RestoreRefused as error:
            raise CommandError(str(error)) from error
        rows = sum(table.rows for table in manifest.tables)
        self.stdout.write(
            f"Restored as of {manifest.made_at}: {rows:,} rows and"
            f" {len(manifest.artifacts)} artifacts. What came later is lost here; Label"
            " Studio has the annotations: run `manage.py sync` for each project."
        )
        for problem in manifest.missing_artifacts:
            self.stderr.write(f"The backup lacks {problem}")
