"""`manage.py backup DIR`: the database and the artifacts, while the service runs."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.template.defaultfilters import filesizeformat

from lsml.backup.errors import BackupRefused
from lsml.backup.making import make_backup
from lsml.backup.servers import database_running


class Command(BaseCommand):
    help = (
        "Write the database and the artifacts, as of one moment, to a new folder, while"
        " the service runs. Ends with 1 if an artifact is missing. docs/recovery.md"
        " says what to keep besides."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="a new or empty folder")

    def handle(self, *_: Any, folder: Path, **__: Any) -> None:
        try:
            with database_running(say=self.stdout.write):
                backup = make_backup(folder.absolute(), say=self.stdout.write)
        except BackupRefused as error:
            raise CommandError(str(error)) from error
        except (OSError, DatabaseError) as error:
            raise CommandError(f"No backup was made: {error}") from error
        manifest = backup.manifest
        rows = sum(table.rows for table in manifest.tables)
        self.stdout.write(
            f"As of {manifest.made_at}: {rows:,} rows, artifacts:"
            f" {len(manifest.artifacts)}; {filesizeformat(manifest.size)} in {folder}"
        )
        self.stdout.write(f"SHA-256 of its manifest: {backup.sha256}")
        self.stdout.write(
            "Not in it: .env with SECRET_KEY and passwords, the project's folder with"
            " model.py, AUDIT_EXPORT_DIR, logins. Keep the first three elsewhere."
        )
        if missing := manifest.missing_artifacts:
            raise CommandError(
                "\n".join(missing)
                + f"\nThe backup is complete but for {len(missing)} artifacts. Versions"
                " without an artifact cannot be served."
            )
