"""What the commands share that report on a project."""

from abc import abstractmethod
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lsml.labelstudio.identity import ProjectKey
from lsml.registry.errors import UnknownProject
from lsml.registry.models import Project
from lsml.registry.services import find_project


class ReportCommand(BaseCommand):
    """Lists at most so many tasks or annotations of a project.

    A subclass says what it lists, and how many at most.
    """

    listed: str
    listed_max: int

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--project", type=int, required=True, help="Label Studio's project ID"
        )
        parser.add_argument(
            "-n",
            dest="limit",
            metavar="LIMIT",
            type=int,
            default=50,
            help=f"at most so many {self.listed}, 1 to {self.listed_max} (default: 50)",
        )

    def handle(self, *_: Any, project: int, limit: int, **options: Any) -> None:
        if not 1 <= limit <= self.listed_max:
            raise CommandError(f"-n takes a number from 1 to {self.listed_max}.")
        try:
            found = find_project(ProjectKey(project))
        except UnknownProject as error:
            raise CommandError(str(error)) from error
        self.report(found, limit, **options)

    @abstractmethod
    def report(self, project: Project, limit: int, **options: Any) -> None:
        """Print the list."""
