"""`manage.py prepare`: bring the database up to date, before the processes start.

It lives in the lowest app that has tables. Run it as the tables' owner.
"""

import os
from typing import Any

from django.contrib.auth import get_user_model
from django.core.checks import Tags
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor

from lsml.audit.exclusive import schema_lock
from lsml.audit.grants import RoleRefused, grant_rights, prepare_role
from lsml.audit.partitions import analyze, make_partitions_ahead
from lsml.environment.checking import MODEL_TAG, TAG
from lsml.environment.rolling import applied, disturbing, without_queueing


class Command(BaseCommand):
    help = (
        "Apply missing migrations, give the service's role its rights, and create the"
        " administrator if there is none."
    )
    requires_system_checks: list[str] = []  # `handle` runs more than the usual ones

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--rolling",
            action="store_true",
            help="refuse migrations that a version which still runs would not survive,"
            " and do not let it wait for a table (docs/deploying.md)",
        )

    def handle(
        self,
        *_: Any,
        skip_checks: bool = False,
        rolling: bool = False,
        **__: Any,
    ) -> None:
        # Before anything is written. The checks tagged `database` write to the artifact
        # storage. `dev` has run the checks when it calls this.
        if not skip_checks:
            tags = [TAG, Tags.security, Tags.database, MODEL_TAG]
            self.check(tags=tags, databases=["default"])
        role = os.environ.get("DATABASE_SERVICE_ROLE")
        with schema_lock(say=self._say):
            if role:
                self._prepare_role(role)
            self._migrate(rolling=rolling)
            # The service's role may do neither: docs/audit.md.
            make_partitions_ahead()
            analyze()
            if role:
                grant_rights(role)
            self._create_administrator()
        connection.close()

    def _prepare_role(self, role: str) -> None:
        try:
            prepare_role(role, os.environ.get("DATABASE_SERVICE_PASSWORD", ""))
        except RoleRefused as error:
            raise CommandError(str(error)) from error

    def _migrate(self, *, rolling: bool) -> None:
        # Checked first, because `migrate` takes a second even when nothing is missing.
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        missing = [migration for migration, _ in plan]
        rolling = rolling and bool(executor.loader.applied_migrations)
        if rolling and (problems := list(disturbing(missing, applied(executor)))):
            raise CommandError(
                "Nothing was changed. These migrations would disturb the version that"
                " is running:\n  " + "\n  ".join(problems) + "\nSplit the change, or"
                " have them applied all the same: docs/deploying.md, Migrations."
            )
        if missing:
            self._say(f"applying {len(missing)} migrations …")
            self._apply(missing, rolling=rolling)

    def _apply(self, missing: list[Migration], *, rolling: bool) -> None:
        if not rolling:
            call_command("migrate", interactive=False)
            return
        for each in missing:
            # An index that is built CONCURRENTLY, so not in a transaction, waits for
            # others, but nobody waits for it.
            migrate = without_queueing if each.atomic else call_command
            migrate("migrate", each.app_label, each.name, interactive=False)

    def _create_administrator(self) -> None:
        people = get_user_model().objects
        name, password = os.environ.get("ADMIN_USER"), os.environ.get("ADMIN_PASSWORD")
        if name and password and not people.filter(is_superuser=True).exists():
            email = os.environ.get("ADMIN_EMAIL")
            people.create_superuser(name, email, password)
            self._say(f"created the administrator {name}")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()  # a log or a parent process may be reading
