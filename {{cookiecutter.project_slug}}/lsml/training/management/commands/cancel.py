"""`manage.py cancel`: stop a run."""

import getpass
from argparse import ArgumentParser
from typing import Any
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError

from lsml.audit.services import Origin
from lsml.training.errors import TrainingError
from lsml.training.models import TrainingRun
from lsml.training.services import request_cancel


class Command(BaseCommand):
    help = "Stop a training run; its events wait for the next one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int, help="the run's number")
        parser.add_argument("--reason", required=True, help="kept in the audit trail")

    def handle(self, *_: Any, run: int, reason: str, **__: Any) -> None:
        found = TrainingRun.objects.filter(pk=run).first()
        if found is None:
            raise CommandError(f"There is no run {run}.")
        try:
            request_cancel(
                run=found,
                actor=f"command ({getpass.getuser()})",
                reason=reason,
                origin=Origin(f"cancel-{uuid4().hex}", "manage.py cancel"),
            )
        except TrainingError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"run {run}: {found.state}, asked to stop")
