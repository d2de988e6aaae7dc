"""`manage.py seed`: write made-up predictions, to try lists and charts with data."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from lsml.audit.models import Prediction
from lsml.audit.sealing import seal
from lsml.audit.seeding import REQUEST_PREFIX, seed_predictions


class Command(BaseCommand):
    help = "Write made-up predictions. They stay: audit rows cannot be deleted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--predictions", type=int, required=True, metavar="N")
        parser.add_argument("--days", type=int, default=30, help="spread over N days")
        # The audit package cannot import the registry, so projects are not looked up.
        parser.add_argument(
            "--project",
            type=int,
            action="append",
            metavar="PK",
            help="the service's own ID of a project (default: 1); repeat for several",
        )
        parser.add_argument(
            "--force", action="store_true", help="even if there are real predictions"
        )

    def handle(
        self,
        *_: Any,
        predictions: int,
        days: int,
        project: list[int] | None,
        force: bool,
        **__: Any,
    ) -> None:
        real = Prediction.objects.exclude(request_id__startswith=REQUEST_PREFIX)
        if not force and real.exists():
            raise CommandError(
                "This database has real predictions, and made-up ones can never be"
                " deleted. Use another database, or --force."
            )
        now = timezone.now()
        with tqdm(
            total=predictions, unit=" rows", unit_scale=True, disable=None
        ) as bar:
            seed_predictions(
                number=predictions,
                projects=project or [1],
                since=now - timedelta(days=days),
                until=now,
                progress=bar.update,
            )
        seal()
        self.stdout.write(f"{predictions} made-up predictions written and sealed.")
