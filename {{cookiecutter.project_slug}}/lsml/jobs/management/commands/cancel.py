"""`manage.py cancel`: stop a job."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lsml.jobs.errors import JobError
from lsml.jobs.kinds import all_kinds, kind_named
from lsml.jobs.services import request_cancel
from lsml.observability.origin import Origin, command_actor


class Command(BaseCommand):
    help = "Stop a job: a training run, a bulk prediction, an export or verification."

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = [kind.name for kind in all_kinds()]
        parser.add_argument("job", type=int, help="the job's ID")
        parser.add_argument("--kind", choices=kinds, default="training")
        parser.add_argument("--reason", required=True, help="kept in the audit log")

    def handle(self, *_: Any, job: int, kind: str, reason: str, **__: Any) -> None:
        found = kind_named(kind).model.objects.filter(pk=job).first()
        if found is None:
            raise CommandError(f"There is no {kind} job {job}.")
        try:
            request_cancel(
                found,
                actor=command_actor(),
                reason=reason,
                origin=Origin.from_command("cancel"),
            )
        except JobError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{found}: cancellation requested.")
