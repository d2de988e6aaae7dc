"""`manage.py explain`: where a prediction comes from."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lsml.audit.models import Prediction
from lsml.training.explain import explain


class Command(BaseCommand):
    help = "Show everything that is known about one prediction, as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("prediction", type=int, help="the prediction's ID")

    def handle(self, *_: Any, prediction: int, **__: Any) -> None:
        found = Prediction.objects.filter(pk=prediction).first()
        if found is None:
            raise CommandError(
                f"There is no prediction {prediction}. Check the ID; retention may have"
                " removed the row."
            )
        self.stdout.write(json.dumps(explain(found), indent=2, default=str))
