"""`manage.py validate-model`: what Label Studio would refuse of a model's answers."""

import textwrap
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from lsml.inference.errors import ModelError
from lsml.labelstudio.errors import WireError
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.task_file import read_tasks
from lsml.model_process.errors import ModelProcessUnavailable
from lsml.observability.origin import Origin
from lsml.quality.validity.trial import (
    Outcome,
    Trial,
    Verdict,
    by_reason,
    newest_tasks,
    totals,
)
from lsml.registry.errors import RegistryError, StorageUnavailable
from lsml.registry.models import Project
from lsml.registry.served import Served
from lsml.registry.services import find_project, get_or_create_project

_REASON_CHARS_MAX = 300
_PROGRESS_AFTER_S = 2.0
_REFUSALS = (
    ModelError,
    ModelProcessUnavailable,
    RegistryError,
    StorageUnavailable,
    WireError,
    UnicodeDecodeError,
)
_NEXT_STEPS = {
    Outcome.INVALID: (
        "`manage.py predict` does not send these, and Label Studio would not"
        " store them. Let predict() return what the label config names:"
        " docs/label-studio.md, What Label Studio refuses."
    ),
    Outcome.FAILED: (
        "Label Studio shows no prediction and no error for such a task. The"
        " error is that of the model's code."
    ),
    Outcome.EMPTY: "The model returned no prediction for these; that is allowed.",
}


class Command(BaseCommand):
    help = (
        "Let the served model predict some tasks, and say what Label Studio would"
        " refuse. No prediction is recorded or sent. Ends with status 1 if a prediction"
        " is invalid or the model fails."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--project",
            type=int,
            help="Label Studio's project ID; without it, before a project is connected,"
            " --label-config and --tasks are needed",
        )
        parser.add_argument(
            "-n",
            dest="limit",
            metavar="LIMIT",
            type=int,
            default=50,
            help="at most so many tasks (default: 50)",
        )
        parser.add_argument(
            "--label-config",
            type=Path,
            metavar="FILE",
            help="instead of the project's label config",
        )
        parser.add_argument(
            "--tasks",
            type=Path,
            metavar="FILE",
            help="JSON as imported into or exported from Label Studio, instead of the"
            " project's newest tasks",
        )

    def handle(
        self,
        *_: Any,
        project: int | None,
        limit: int,
        label_config: Path | None,
        tasks: Path | None,
        **__: Any,
    ) -> None:
        if limit < 1:
            raise CommandError("-n takes a number from 1 on.")
        if project is None and not (label_config and tasks):
            raise CommandError(
                "Name a --project, or both --label-config and --tasks to try the model"
                " before a project is connected."
            )
        try:
            found = _project(project)
            serving = _serving(found, label_config)
            chosen = _tasks(found, tasks, limit)
            trial = Trial(serving, Origin.from_command("validate-model"))
            verdicts = self._run(trial, chosen)
        except _REFUSALS as error:
            raise CommandError(str(error)) from error
        title = "The model" if project is None else f"{found} (project {project})"
        self.stdout.write(f"{title}, version {serving.version}, tasks: {len(chosen)}")
        self._report(verdicts)

    def _run(self, trial: Trial, tasks: list[dict[str, Any]]) -> list[Verdict]:
        verdicts = trial.run(tasks)
        return list(
            tqdm(
                verdicts,
                total=len(tasks),
                unit=" tasks",
                delay=_PROGRESS_AFTER_S,
                disable=None,  # if nobody watches
                file=self.stderr,
            )
        )

    def _report(self, verdicts: list[Verdict]) -> None:
        counts = totals(verdicts)
        for outcome in Outcome:
            self.stdout.write(f"{counts[outcome]:>7}  {outcome}")
        reasons = by_reason(verdicts)
        if reasons:
            self.stdout.write("\n  tasks  outcome  reason, and the first such task")
        for each in reasons:
            self.stdout.write(
                f"{each.count:>7}  {each.outcome:<7}  task {each.task_id}:"
                f" {textwrap.shorten(each.text, _REASON_CHARS_MAX)}"
            )
        for outcome, next_step in _NEXT_STEPS.items():
            if counts[outcome]:
                self.stdout.write(f"\n{outcome}: {next_step}")
        if unusable := counts[Outcome.INVALID] + counts[Outcome.FAILED]:
            raise CommandError(
                f"{unusable} of {len(verdicts)} tasks are invalid or failed."
            )


def _project(labelstudio_id: int | None) -> Project:
    """Return the project, or the one of requests that name none."""
    if labelstudio_id is None:
        return get_or_create_project(None)
    return find_project(ProjectKey(labelstudio_id))


def _serving(project: Project, label_config: Path | None) -> Served:
    found = Served(project.pk, project.served_version, project.label_config)
    if label_config is None:
        return found
    return replace(found, label_config=_read(label_config).decode())


def _tasks(project: Project, file: Path | None, limit: int) -> list[dict[str, Any]]:
    found = newest_tasks(project, limit) if file is None else read_tasks(_read(file))
    if not found:
        raise CommandError(
            "There are no tasks. Those of a project are known here after `manage.py"
            " sync`; or name a file with --tasks."
        )
    return found[:limit]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
