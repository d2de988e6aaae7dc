"""`manage.py seed`: made-up predictions, to look at full lists."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from lsml.audit.models import Prediction
from lsml.audit.sealing import seal
from lsml.audit.seeding import REQUEST_PREFIX, seed_predictions
from lsml.registry.models import Project


class Command(BaseCommand):
    help = "Write made-up predictions. They stay: audit rows cannot be deleted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--predictions", type=int, required=True, metavar="N")
        parser.add_argument("--days", type=int, default=30, help="spread over so many")
        parser.add_argument("--force", action="store_true", help="beside real rows")

    def handle(
        self, *_: Any, predictions: int, days: int, force: bool, **__: Any
    ) -> None:
        real = Prediction.objects.exclude(request_id__startswith=REQUEST_PREFIX)
        if not force and real.exists():
            raise CommandError(
                "There are real predictions, and made-up ones can never be deleted"
                " again. Use a database of its own, or --force."
            )
        keys = list(Project.objects.order_by("pk").values_list("pk", flat=True)[:10])
        if not keys:
            project = Project.objects.create(labelstudio_id=1, title="Made-up project")
            keys = [project.pk]
        now = timezone.now()
        with tqdm(
            total=predictions, unit=" rows", unit_scale=True, disable=None
        ) as bar:
            seed_predictions(
                number=predictions,
                project_ids=keys,
                since=now - timedelta(days=days),
                until=now,
                progress=bar.update,
            )
        seal()
        self.stdout.write(f"{predictions} made-up predictions written and sealed.")
