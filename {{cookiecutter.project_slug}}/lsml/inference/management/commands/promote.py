"""`manage.py promote PROJECT VERSION --reason …`: serve another version."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lsml.inference.promotion import promote_loaded
from lsml.labelstudio.identity import ProjectKey
from lsml.observability.origin import Origin, command_actor
from lsml.registry.errors import RegistryError
from lsml.registry.services import find_project
from lsml.registry.versions import find_version


class Command(BaseCommand):
    help = "Serve a version of a project from the next request on, in all processes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", type=int, help="Label Studio's project ID")
        parser.add_argument("version", help="its name, such as v3")
        parser.add_argument("--reason", required=True, help="kept in the audit log")

    def handle(
        self, *_: Any, project: int, version: str, reason: str, **__: Any
    ) -> None:
        try:
            found = find_project(ProjectKey(project))
            before = found.served_version
            promote_loaded(
                project=found,
                version=find_version(project=found, version=version),
                actor=command_actor(),
                reason=reason,
                origin=Origin.from_command("promote"),
            )
        except RegistryError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{found} now serves {version} (before: {before}).")
