"""`manage.py suspicious`: annotations that a model which has not seen them doubts."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lsml.labelstudio.identity import ProjectKey
from lsml.quality.suspicious.services import suspicious_annotations
from lsml.registry.errors import UnknownProject
from lsml.registry.label_studio import task_address
from lsml.registry.services import find_project


class Command(BaseCommand):
    help = (
        "List the annotations that a model version which was not trained on them finds"
        " improbable, the most improbable first. They may be wrong, or the model is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--project", type=int, required=True, help="Label Studio's project ID"
        )
        parser.add_argument(
            "-n", type=int, default=50, metavar="COUNT", help="how many (default: 50)"
        )

    def handle(self, *_: Any, project: int, n: int, **__: Any) -> None:
        if n < 1:
            raise CommandError("-n must be 1 or more.")
        try:
            found = find_project(ProjectKey(project))
        except UnknownProject as error:
            raise CommandError(str(error)) from error
        report = suspicious_annotations(project=found, n=n)
        for number, one in enumerate(report.worst, 1):
            self.stdout.write(
                f"{number:>4}. task {one.task_id}, annotation {one.annotation_id}:"
                f" {one.reason} {task_address(found, one.task_id)}".rstrip()
            )
        self.stdout.write(
            f"Suspicious: {report.suspicious} of {report.checked} checked annotations,"
            f" {report.confident} of them confidently."
        )
        self.stdout.write(report.coverage)
