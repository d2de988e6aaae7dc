"""`manage.py predict`: predictions for all known tasks of a project, with progress."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from lsml.inference.bulk import predict_all, start_job
from lsml.inference.models import PredictionJob
from lsml.jobs.errors import JobRefused
from lsml.labelstudio.identity import ProjectKey
from lsml.observability.origin import Origin, command_actor
from lsml.registry.errors import UnknownProject
from lsml.registry.label_studio import SETTINGS_NEEDED, is_label_studio_configured
from lsml.registry.services import find_project

_POLL_EVERY_S = 0.5


class Command(BaseCommand):
    help = (
        "Predict all tasks of a project that are known here, and send the predictions"
        " to Label Studio if LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY are set."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--project", type=int, required=True, help="Label Studio's project ID"
        )

    def handle(self, *_: Any, project: int, **__: Any) -> None:
        try:
            job = start_job(
                project=find_project(ProjectKey(project)),
                actor=command_actor(),
                origin=Origin.from_command("predict"),
            )
        except (JobRefused, UnknownProject) as error:
            raise CommandError(str(error)) from error
        with tqdm(
            total=job.total, unit=" tasks", disable=None, file=self.stderr
        ) as bar:

            def show(done: int, _total: int) -> None:
                bar.update(done - bar.n)

            predict_all(job.pk, on_step=show)
            job.refresh_from_db()
            while job.state in PredictionJob.ACTIVE:  # a worker claimed it first
                time.sleep(_POLL_EVERY_S)
                job.refresh_from_db()
                show(job.done, job.total)
        if job.state != PredictionJob.State.SUCCEEDED:
            raise CommandError(f"job {job.pk} {job.state}: {job.error or 'no reason'}")
        self.stdout.write(
            f"{job.done - job.errors} of {job.done} tasks predicted by"
            f" {job.model_version or 'nothing'}."
        )
        if not is_label_studio_configured():
            self.stderr.write(
                "The predictions are recorded here only. To send them to Label Studio,"
                f" set {SETTINGS_NEEDED}."
            )
        if job.errors:
            raise CommandError(f"{job.errors} tasks failed, the last: {job.error}")
