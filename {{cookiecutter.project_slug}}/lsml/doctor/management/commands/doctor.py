"""`manage.py doctor`: is everything all right, and if not, what to do."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from textwrap import TextWrapper
from typing import Any, Final

from django.core.management.base import BaseCommand

from lsml.doctor.findings import Finding, Level
from lsml.doctor.running import examine
from lsml.doctor.sections import CHECKS, POSTGRESQL

_LINE: Final = "  {:<20} {:<8} "
_WIDTH: Final = 120


class Command(BaseCommand):
    help = "Report the state of the installation. Ends with 1 if it needs attention."
    requires_system_checks: list[str] = []  # reported with everything else

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *_: Any, **options: Any) -> None:
        found, section = [], ""
        for check, finding in examine(POSTGRESQL, CHECKS):
            found.append({"section": check.section, **asdict(finding)})
            if options["json"]:
                continue
            if check.section != section:
                section = check.section
                self.stdout.write(section)
            self._write(finding)
        bad = sum(each["level"] != Level.OK for each in found)
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2))
        else:
            self.stdout.write(f"{bad} of {len(found)} need attention.")
        if bad:
            raise SystemExit(1)

    def _write(self, finding: Finding) -> None:
        start = _LINE.format(finding.item, finding.level)
        wrapped = TextWrapper(
            width=_WIDTH, subsequent_indent=" " * len(start), break_long_words=False
        )
        self.stdout.write(wrapped.fill(f"{start}{finding.text}"))
        if finding.next_step:
            wrapped.initial_indent = wrapped.subsequent_indent
            self.stdout.write(wrapped.fill(f"→ {finding.next_step}"))
        self.stdout.flush()
