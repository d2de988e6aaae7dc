"""`manage.py connect`: make this service the backend of a project."""

from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from lsml.inference.following.connecting import (
    repair_order,
    waiting_for_checks,
)
from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.connection import DEFAULT_TITLE, Backend
from lsml.labelstudio.failures import LabelStudioError
from lsml.observability.origin import Origin, command_actor
from lsml.registry.connecting import connect_project
from lsml.registry.label_studio import SETTINGS_NEEDED, is_label_studio_configured
from lsml.registry.models import Project
from lsml.registry.policy import change_policy

_UNCERTAINTY = Project.Sampling.UNCERTAINTY.value
_TAB_NEEDS_SCORES = (
    "--add-tab needs --sampling uncertainty: without it, Label Studio has no scores to"
    " order by."
)


class Command(BaseCommand):
    help = "Register this service in a Label Studio project, with its webhook."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--project", type=int, required=True, help="Label Studio's project ID"
        )
        parser.add_argument(
            "--url",
            default=settings.LABEL_STUDIO_URL,
            help="Label Studio's address (default: LABEL_STUDIO_URL)",
        )
        parser.add_argument(
            "--api-key",
            default=settings.LABEL_STUDIO_API_KEY,
            help="personal access or legacy token (default: LABEL_STUDIO_API_KEY)",
        )
        parser.add_argument(
            "--backend-url",
            default=settings.SERVICE_URL,
            help="this service, as Label Studio reaches it (default: SERVICE_URL)",
        )
        parser.add_argument(
            "--title",
            help=f"name in Label Studio (default: unchanged, {DEFAULT_TITLE!r} for"
            " a new connection)",
        )
        parser.add_argument(
            "--interactive",
            action=BooleanOptionalAction,
            default=None,
            help="predict while people annotate (default: unchanged)",
        )
        parser.add_argument(
            "--sampling",
            choices=Project.Sampling.values,
            help="uncertainty: Label Studio serves the tasks with the lowest scores of"
            " the served version first, kept so by the workers; label-studio: in its"
            " own order, as before (default: unchanged)",
        )
        parser.add_argument(
            "--add-tab",
            action="store_true",
            help="with uncertainty sampling: add a tab of unlabelled tasks, lowest"
            " score first, to the data manager",
        )

    def handle(self, *_: Any, project: int, url: str, api_key: str, **o: Any) -> None:
        if not url or not api_key:
            raise CommandError(
                "Give --url and --api-key, or set LABEL_STUDIO_URL and"
                " LABEL_STUDIO_API_KEY."
            )
        sampling, with_tab = o["sampling"], o["add_tab"]
        if sampling == _UNCERTAINTY:
            _demand_same_label_studio(url)
        if with_tab and sampling == Project.Sampling.LABEL_STUDIO:
            raise CommandError(_TAB_NEEDS_SCORES)
        origin, actor = Origin.from_command("connect"), command_actor()
        try:
            studio = LabelStudio(url=url, api_key=api_key)
            connected = connect_project(
                studio=studio,
                labelstudio_id=project,
                backend=_backend(o["backend_url"], o["title"], o["interactive"]),
                actor=actor,
                say=self.stdout.write,
            )
            with waiting_for_checks(connected, self.stdout.write):
                if sampling:
                    change_policy(
                        project=connected,
                        changes={"sampling": sampling},
                        actor=actor,
                        reason=f"connect --sampling {sampling}",
                        origin=origin,
                    )
                if with_tab and connected.sampling != _UNCERTAINTY:
                    raise CommandError(_TAB_NEEDS_SCORES)
                repair_order(
                    connected,
                    studio,
                    with_tab=with_tab,
                    actor=actor,
                    origin=origin,
                    say=self.stdout.write,
                )
        except LabelStudioError as error:
            raise CommandError(f"{error}\nNext step: {error.next_step}") from error
        if not connected.tasks.known().exists():
            self.stdout.write(
                f"Next: `manage.py sync --project {project}` fetches the tasks and"
                " annotations that Label Studio has already."
            )


def _demand_same_label_studio(url: str) -> None:
    if not is_label_studio_configured():
        raise CommandError(
            f"The workers keep the order of tasks: set {SETTINGS_NEEDED} for them and"
            " for this command."
        )
    if url.rstrip("/") != settings.LABEL_STUDIO_URL.rstrip("/"):
        raise CommandError(
            "The workers keep the order of tasks only in the Label Studio at"
            f" {settings.LABEL_STUDIO_URL} (LABEL_STUDIO_URL): give --sampling without"
            " --url."
        )


def _backend(url: str, title: str | None, interactive: bool | None) -> Backend:
    """Use the first credentials, which are the newest."""
    user, password = next(iter(settings.BASIC_AUTH_CREDENTIALS), ("", ""))
    return Backend(
        url=url.rstrip("/"),
        title=title,
        user=user,
        password=password,
        webhook_token=next(iter(settings.WEBHOOK_TOKENS), ""),
        interactive=interactive,
    )
