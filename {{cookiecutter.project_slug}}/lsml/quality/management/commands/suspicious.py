"""`manage.py suspicious`: annotations that may be wrong.

A version not trained on their task finds them improbable.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lsml.labelstudio.identity import ProjectKey
from lsml.quality.suspicious.services import LISTED_MAX, suspicious_annotations
from lsml.registry.errors import UnknownProject
from lsml.registry.services import find_project


class Command(BaseCommand):
    help = (
        "List annotations that a version not trained on their task finds improbable,"
        " the most improbable first. They may be wrong, or the model is."
    )

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
            help=f"at most so many annotations, 1 to {LISTED_MAX} (default: 50)",
        )

    def handle(self, *_: Any, project: int, limit: int, **__: Any) -> None:
        if not 1 <= limit <= LISTED_MAX:
            raise CommandError(f"-n takes a number from 1 to {LISTED_MAX}.")
        try:
            found = find_project(ProjectKey(project))
        except UnknownProject as error:
            raise CommandError(str(error)) from error
        report = suspicious_annotations(project=found, limit=limit)
        for number, one in enumerate(report.results, 1):
            self.stdout.write(
                f"{number:>4}. task {one.task_id}, annotation {one.annotation_id}:"
                f" {one.reason} {one.address}".rstrip()
            )
        self.stdout.write(
            f"Suspicious: {report.suspicious} of {report.checked} checked annotations,"
            f" {report.confident} of them confidently."
        )
        self.stdout.write(report.coverage)
