"""`manage.py retry`: start a new job for one that failed or was cancelled."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lsml.jobs.errors import JobError
from lsml.jobs.kinds import all_kinds, kind_named
from lsml.jobs.services import retry
from lsml.observability.origin import Origin, command_actor


class Command(BaseCommand):
    help = "Start a new job for what a failed or cancelled one did not finish."

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = [kind.name for kind in all_kinds()]
        parser.add_argument("job", type=int, help="the job's ID")
        parser.add_argument("--kind", choices=kinds, default="training")

    def handle(self, *_: Any, job: int, kind: str, **__: Any) -> None:
        found = kind_named(kind).model.objects.filter(pk=job).first()
        if found is None:
            raise CommandError(f"There is no {kind} job {job}.")
        try:
            origin = Origin.from_command("retry")
            fresh = retry(found, actor=command_actor(), origin=origin)
        except JobError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{fresh}: waits for a worker.")
