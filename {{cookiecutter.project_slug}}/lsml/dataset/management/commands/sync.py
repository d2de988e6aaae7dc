"""`manage.py sync`: reconciles the dataset with Label Studio."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from lsml.dataset.sync import Progress, Report, sync_project
from lsml.labelstudio.client import PAGE_SIZE, LabelStudio
from lsml.labelstudio.failures import LabelStudioError
from lsml.observability.origin import command_actor


class Command(BaseCommand):
    help = "Reconcile the dataset with Label Studio and report the differences."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", type=int, required=True, help="project ID")
        parser.add_argument(
            "--url",
            default=settings.LABEL_STUDIO_URL,
            help="address of Label Studio (default: LABEL_STUDIO_URL)",
        )
        parser.add_argument(
            "--api-key",
            default=settings.LABEL_STUDIO_API_KEY,
            help="personal access or legacy token (default: LABEL_STUDIO_API_KEY)",
        )
        parser.add_argument(
            "--since",
            type=_moment,
            help="only tasks changed since, e.g. 2026-11-23 or 2026-11-23T12:00:00Z;"
            " deleted tasks are then not detected",
        )
        parser.add_argument(
            "--restart",
            action="store_true",
            help="start from the first task instead of resuming an interrupted sync",
        )
        parser.add_argument(
            "--page-size", type=int, default=PAGE_SIZE, help="tasks per request"
        )

    def handle(self, *_: Any, project: int, url: str, api_key: str, **o: Any) -> None:
        if not url or not api_key:
            raise CommandError(
                "Give --url and --api-key, or set LABEL_STUDIO_URL and"
                " LABEL_STUDIO_API_KEY."
            )
        # `disable=None` hides the bar where stderr is not a terminal.
        with tqdm(unit=" tasks", disable=None, file=self.stderr) as bar:

            def show(progress: Progress) -> None:
                bar.total = progress.done + progress.left
                bar.update(progress.done - bar.n)

            try:
                report = sync_project(
                    studio=LabelStudio(url=url, api_key=api_key),
                    labelstudio_id=project,
                    actor=command_actor(),
                    since=o["since"],
                    restart=o["restart"],
                    page_size=o["page_size"],
                    on_page=show,
                )
            except LabelStudioError as error:
                raise CommandError(
                    f"{error}\nNext step: {error.next_step}\n"
                    "Run the same command again to resume after the last page."
                ) from error
        self._print(report)

    def _print(self, report: Report) -> None:
        if report.resumed_after:
            self.stdout.write(f"Resumed after task {report.resumed_after}.")
        self.stdout.write(f"Compared {report.tasks} tasks of {report.project}.")
        for difference, count in sorted(report.differences.items()):
            self.stdout.write(f"  {count:>6} {difference}")
        if not report.differences:
            self.stdout.write("Nothing differed.")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not an ISO date or time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
