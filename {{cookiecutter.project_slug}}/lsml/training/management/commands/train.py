"""`manage.py train`: start a training run, and optionally wait for its end."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lsml.jobs.errors import JobError
from lsml.labelstudio.identity import ProjectKey
from lsml.observability.origin import Origin, command_actor
from lsml.registry.errors import UnknownProject
from lsml.registry.services import find_project
from lsml.training.models import TrainingRun
from lsml.training.runs import start_run

_POLL_EVERY_S = 0.5


class Command(BaseCommand):
    help = "Start a training run, whatever the project's policy says."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--project", type=int, required=True, help="Label Studio's project ID"
        )
        parser.add_argument(
            "--wait",
            action="store_true",
            help="wait for the end of the run; fail if it fails",
        )
        parser.add_argument(
            "--retry-failed-events",
            action="store_true",
            help="also train on events that are set aside because fit() failed on them",
        )

    def handle(
        self,
        *_: Any,
        project: int,
        wait: bool,
        retry_failed_events: bool,
        **__: Any,
    ) -> None:
        try:
            run = start_run(
                project=find_project(ProjectKey(project)),
                actor=command_actor(),
                origin=Origin.from_command("train"),
                retry_failed_events=retry_failed_events,
            )
        except (JobError, UnknownProject) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"run {run.pk} waits for a worker")
        if wait:
            self._wait(run)

    def _wait(self, run: TrainingRun) -> None:
        seen = ""
        while run.state in TrainingRun.ACTIVE:
            time.sleep(_POLL_EVERY_S)
            run.refresh_from_db()
            if run.message != seen:
                seen = run.message
                self.stdout.write(f"{run.state} {run.progress:4.0%} {seen}")
        if run.state != TrainingRun.State.SUCCEEDED:
            raise CommandError(f"run {run.pk} {run.state}: {run.error or 'no reason'}")
        made = run.version.version if run.version else "no version"
        self.stdout.write(f"run {run.pk} succeeded: {made}")
