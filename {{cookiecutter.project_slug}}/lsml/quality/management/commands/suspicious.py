"""`manage.py suspicious`: annotations that may be wrong.

A model not trained on their task finds them improbable.
"""

from typing import Any

from lsml.quality.reports import ReportCommand
from lsml.quality.suspicious.services import LISTED_MAX, suspicious_annotations
from lsml.registry.models import Project


class Command(ReportCommand):
    help = (
        "List annotations that a model not trained on their task finds improbable,"
        " the most improbable first. They may be wrong, or the model is."
    )

    listed, listed_max = "annotations", LISTED_MAX

    def report(self, project: Project, limit: int, **_: Any) -> None:
        report = suspicious_annotations(project=project, limit=limit)
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
