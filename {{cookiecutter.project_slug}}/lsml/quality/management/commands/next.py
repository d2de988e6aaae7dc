"""`manage.py next`: the tasks of a project to label next."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lsml.labelstudio.identity import ProjectKey
from lsml.quality.next.services import LISTED_MAX, NextTask, Strategy, next_tasks
from lsml.registry.errors import UnknownProject
from lsml.registry.services import find_project


class Command(BaseCommand):
    help = (
        "List the unlabelled tasks of a project, best first. uncertainty: the least"
        " certain of the served version; diverse: texts that differ most from what is"
        " labelled; disagreement: answered differently by versions; random: a sample."
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
            help=f"at most so many tasks, 1 to {LISTED_MAX} (default: 50)",
        )
        parser.add_argument(
            "--strategy",
            choices=Strategy.values,
            default=Strategy.UNCERTAINTY.value,
            help="(default: uncertainty)",
        )
        parser.add_argument("--json", action="store_true", help="as JSON")

    def handle(
        self, *_: Any, project: int, limit: int, strategy: str, **options: Any
    ) -> None:
        if not 1 <= limit <= LISTED_MAX:
            raise CommandError(f"-n takes a number from 1 to {LISTED_MAX}.")
        try:
            found = find_project(ProjectKey(project))
        except UnknownProject as error:
            raise CommandError(str(error)) from error
        answer = next_tasks(project=found, limit=limit, strategy=Strategy(strategy))
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
