"""`manage.py next`: the tasks of a project to label next."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from lsml.observability.origin import Origin
from lsml.quality.next.services import LISTED_MAX, NextTask, Strategy, next_tasks
from lsml.quality.reports import ReportCommand
from lsml.registry.models import Project


class Command(ReportCommand):
    help = (
        "List the unlabelled tasks of a project, best first. uncertainty: the least"
        " certain of the served version; diverse: those that represent most of what no"
        " labelled task resembles; disagreement: answered differently by versions;"
        " random: a sample."
    )

    listed, listed_max = "tasks", LISTED_MAX

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--strategy",
            choices=Strategy.values,
            default=Strategy.UNCERTAINTY.value,
            help="(default: uncertainty)",
        )
        parser.add_argument("--json", action="store_true", help="as JSON")

    def report(self, project: Project, limit: int, **options: Any) -> None:
        answer = next_tasks(
            project=project,
            limit=limit,
            origin=Origin.from_command("next"),
            strategy=Strategy(options["strategy"]),
        )
        if options["json"]:
            self.stdout.write(json.dumps(asdict(answer), indent=2, ensure_ascii=False))
            return
        self._print(answer.results)
        for note in answer.notes:
            self.stderr.write(note)

    def _print(self, tasks: list[NextTask]) -> None:
        width = max((len(str(task.task_id)) for task in tasks), default=0)
        wide = max((len(task.reason) for task in tasks), default=0)
        for rank, task in enumerate(tasks, start=1):
            line = f"{rank:>4}  {task.task_id:>{width}}  {task.reason:<{wide}}"
            self.stdout.write(f"{line}  {task.address}".rstrip())
