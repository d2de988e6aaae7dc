"""`manage.py shadow`: a version predicts unseen, beside the one that serves."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lsml.dataset.figures import interval
from lsml.labelstudio.identity import ProjectKey
from lsml.observability.origin import Origin, command_actor
from lsml.quality.shadow import ShadowReport, shadow_report
from lsml.registry.errors import RegistryError, ShadowRefused
from lsml.registry.models import Project
from lsml.registry.services import find_project
from lsml.registry.shadow import start_shadow, stop_shadow
from lsml.registry.versions import find_version

_NONE = "No version is in shadow. Start one with: manage.py shadow --project {} VERSION"


class Command(BaseCommand):
    help = (
        "Let a version predict a share of the live tasks in the background, where"
        " nobody sees it, and compare it with the served version."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--project", type=int, required=True, help="Label Studio's project ID"
        )
        change = parser.add_mutually_exclusive_group()
        change.add_argument(
            "version", nargs="?", help="start it; without, compare what runs"
        )
        change.add_argument("--stop", action="store_true", help="end the shadow")
        parser.add_argument(
            "--percent",
            type=int,
            help="share of the live tasks, 1 to 100 (default: the project's)",
        )
        parser.add_argument("--reason", help="to start or stop; kept in the audit log")
        parser.add_argument(
            "--json", action="store_true", help="the comparison as JSON"
        )

    def handle(
        self, *_: Any, project: int, version: str | None, stop: bool, **options: Any
    ) -> None:
        try:
            found = find_project(ProjectKey(project))
            if version or stop:
                self._change(found, version, options)
            else:
                self._compare(found, as_json=options["json"])
        except RegistryError as error:
            raise CommandError(str(error)) from error

    def _change(
        self, project: Project, version: str | None, options: dict[str, Any]
    ) -> None:
        if not options["reason"]:
            raise CommandError("Give a --reason; it is kept in the audit log.")
        facts: dict[str, Any] = {
            "actor": command_actor(),
            "reason": options["reason"],
            "origin": Origin.from_command("shadow"),
        }
        if version:
            project = start_shadow(
                version=find_version(project=project, version=version),
                percent=options["percent"],
                **facts,
            )
            self.stdout.write(
                f"{version} predicts {project.shadow_percent} % of the tasks that Label"
                f" Studio asks {project} for, in the background. Compare it with the"
                " served version: manage.py shadow --project"
                f" {project.labelstudio_id}"
            )
            return
        if project.shadow_version is None:
            raise ShadowRefused("No version is in shadow.")
        stop_shadow(version=project.shadow_version, **facts)
        self.stdout.write(f"{project.shadow_version.version} is no longer in shadow.")

    def _compare(self, project: Project, *, as_json: bool) -> None:
        found = shadow_report(project)
        if as_json:
            self.stdout.write(json.dumps(found and asdict(found), indent=2))
        elif found is None:
            self.stdout.write(_NONE.format(project.labelstudio_id))
        else:
            self._print(found)

    def _print(self, found: ShadowReport) -> None:
        self.stdout.write(
            f"{found.version} in shadow of {found.compared_with},"
            f" {found.percent} % of the tasks"
        )
        self.stdout.write(
            f"  {found.predicted} tasks predicted ({found.failed} failed),"
            f" {found.waiting} waiting, {found.unknown} not in the dataset,"
            f" {found.dropped} dropped"
        )
        self.stdout.write(f"  {found.compared} compared with later annotations")
        for figures in reversed(found.figures["versions"]):
            if figures["score"]:
                score = interval(figures["score"], found.compared)
                self.stdout.write(f"  {figures['version']:<12} {score}")
        self.stdout.write(f"  {verdict_of(found)}")


def verdict_of(found: ShadowReport) -> str:
    """Return the verdict as the command prints it."""
    if found.passes is None:
        return found.verdict
    return f"{'passes' if found.passes else 'does not pass'}: {found.verdict}"
