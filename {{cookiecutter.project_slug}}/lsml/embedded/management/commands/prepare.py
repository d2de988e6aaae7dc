"""`manage.py prepare`: bring the database up to date, before the processes start."""

import os
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


class Command(BaseCommand):
    help = "Apply missing migrations, and create the administrator if there is none."
    requires_system_checks: list[str] = []  # the processes check themselves

    def handle(self, *_: Any, **__: Any) -> None:
        # Asked first, because `migrate` takes a second even when nothing is missing.
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            self._say(f"applying {len(missing)} migrations …")
            call_command("migrate", interactive=False)
        self._create_administrator()
        connection.close()

    def _create_administrator(self) -> None:
        people = get_user_model().objects
        name, password = os.environ.get("ADMIN_USER"), os.environ.get("ADMIN_PASSWORD")
        if name and password and not people.filter(is_superuser=True).exists():
            email = os.environ.get("ADMIN_EMAIL")
            people.create_superuser(name, email, password)
            self._say(f"created the administrator {name}")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()  # a log or a parent process reads along
