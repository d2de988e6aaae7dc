"""`manage.py predict`: predictions for the tasks of a project, with progress."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from lsml.inference.bulk.jobs import Options, start_job
from lsml.inference.bulk.work import predict_all
from lsml.inference.models import PredictionJob
from lsml.jobs.errors import JobRefused
from lsml.labelstudio.identity import ProjectKey
from lsml.observability.origin import Origin, command_actor
from lsml.registry.errors import UnknownProject
from lsml.registry.label_studio import SETTINGS_NEEDED, is_label_studio_configured
from lsml.registry.services import find_project

_POLL_EVERY_S = 0.5
_PROBLEMS_SHOWN = 5


class Command(BaseCommand):
    help = (
        "Predict the tasks of a project that are known here, and send the predictions"
        " to Label Studio if LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY are set. Tasks"
        " that have a prediction of the served version there are left out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--project", type=int, required=True, help="Label Studio's project ID"
        )
        parser.add_argument(
            "--only",
            choices=PredictionJob.Only.values,
            default=PredictionJob.Only.WITHOUT_THIS_VERSION.value,
            help="unlabelled: of the tasks without this version, those without an"
            " annotation",
        )
        parser.add_argument(
            "--tasks",
            type=int,
            nargs="+",
            default=[],
            metavar="ID",
            help="only these tasks, by Label Studio's ID",
        )
        parser.add_argument(
            "--view",
            type=int,
            metavar="ID",
            help="only the tasks that match the filters of this view of Label Studio's"
            " data manager (its ID is `tab` in the address bar)",
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            help="first remove the predictions of the served version, of all tasks",
        )
        parser.add_argument(
            "--delete-older",
            action="store_true",
            help="when all predictions are sent, remove those of this service's older"
            " versions, unless a task would lose its only prediction",
        )

    def handle(
        self,
        *_: Any,
        project: int,
        only: str,
        tasks: list[int],
        view: int | None,
        replace: bool,
        delete_older: bool,
        **__: Any,
    ) -> None:
        try:
            job = start_job(
                project=find_project(ProjectKey(project)),
                actor=command_actor(),
                origin=Origin.from_command("predict"),
                options=Options(only, tasks, view, replace, delete_older),
            )
        except (JobRefused, UnknownProject) as error:
            raise CommandError(str(error)) from error
        self._run(job)
        if job.state != PredictionJob.State.SUCCEEDED:
            raise CommandError(f"job {job.pk} {job.state}: {job.error or 'no reason'}")
        self.stdout.write(job.summary())
        if job.message:
            self.stderr.write(job.message)
        if not is_label_studio_configured():
            self.stderr.write(
                "The predictions are recorded here only. To send them to Label Studio,"
                f" set {SETTINGS_NEEDED}."
            )
        elif job.predicted and not job.sent:
            self.stderr.write(
                f"None of them was sent to Label Studio; the log of job {job.pk} in the"
                f" admin says why. Workers that started before {SETTINGS_NEEDED} were"
                " set must be restarted."
            )
        self._show_problems(job)

    def _run(self, job: PredictionJob) -> None:
        with tqdm(
            total=job.total, unit=" tasks", disable=None, file=self.stderr
        ) as bar:

            def show(found: PredictionJob) -> None:
                bar.total = found.total
                bar.update(found.done - bar.n)

            predict_all(job.pk, on_step=show)
            job.refresh_from_db()
            while job.state in PredictionJob.ACTIVE:  # a worker claimed it first
                time.sleep(_POLL_EVERY_S)
                job.refresh_from_db()
                show(job)

    def _show_problems(self, job: PredictionJob) -> None:
        for problem in job.problems.order_by("pk")[:_PROBLEMS_SHOWN]:
            self.stderr.write(f"{problem}: {problem.reason}")
        if job.invalid or job.failed:
            raise CommandError(
                f"{job.invalid + job.failed} tasks have no prediction. All of them are"
                f" listed on the page of job {job.pk} in the admin."
            )
