"""`manage.py audit verify|seal|export|prune`."""

from argparse import ArgumentParser
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from lsml.audit import anchors, exports, formats, retention, sealing, verify
from lsml.audit.exclusive import schema_lock
from lsml.audit.export_check import NotAnExport, check_export
from lsml.audit.models import AuditEntry
from lsml.audit.partitions import are_ours
from lsml.audit.services import record_command
from lsml.audit.tables import SEALED_TABLES
from lsml.observability.origin import command_actor


class Command(BaseCommand):
    help = "Verify, seal, export and prune the audit log."

    def add_arguments(self, parser: ArgumentParser) -> None:
        words = parser.add_subparsers(dest="word", required=True)
        word = words.add_parser("verify", help="check rows and seals")
        word.add_argument("--since", type=moment, help="only seals made since then")
        word.add_argument("--export", type=Path, help="check this file instead")
        word.add_argument("--anchors", type=Path, help="file of anchored seals")
        words.add_parser("seal", help="seal finished rows")
        word = words.add_parser("export", help="write rows and seals to a ZIP file")
        word.add_argument("--from", dest="since", type=moment, required=True)
        word.add_argument("--to", dest="until", type=moment, help="default: now")
        word.add_argument("--format", choices=formats.FORMATS, default="jsonl")
        word.add_argument("--table", choices=list(SEALED_TABLES), action="append")
        word.add_argument("--output", type=Path, help="default: AUDIT_EXPORT_DIR")
        word = words.add_parser("prune", help="drop partitions past their retention")
        word.add_argument("--dry-run", action="store_true")

    def handle(self, *_: Any, word: str, **options: Any) -> None:
        getattr(self, word)(options)

    def verify(self, options: dict[str, Any]) -> None:
        """Check rows and seals; exit with status 1 if there are findings."""
        path, known = options["export"], options["anchors"]
        anchored = anchors.read_anchors(known) if known else None
        if path:
            with _bar(None) as bar:
                try:
                    report = check_export(
                        path=path, anchored=anchored or (), progress=bar.update
                    )
                except (
                    NotAnExport,
                    anchors.NotAnAnchor,
                    formats.FormatMissing,
                ) as error:
                    raise CommandError(str(error)) from error
        else:
            with _bar(verify.rows_to_verify(options["since"])) as bar:
                report = verify.verify(
                    since=options["since"], anchored=anchored, progress=bar.update
                )
        for finding in report.findings:
            self.stdout.write(str(finding))
        facts = _counted(report)
        if not report.intact:
            raise CommandError(f"Not intact: {len(report.findings)} findings. {facts}.")
        self.stdout.write(f"Intact: {facts}.")

    def seal(self, options: dict[str, Any]) -> None:
        """Seal once. Beat does it every few seconds."""
        made = sealing.seal()
        rows = sum(seal.row_count for seal in made)
        self.stdout.write(f"{rows} rows sealed in {len(made)} seals.")

    def export(self, options: dict[str, Any]) -> None:
        """Seal first, so that the newest rows are exported as well."""
        sealing.seal()
        until = options["until"] or timezone.now()
        order = exports.Order(
            options["since"],
            until,
            options["format"],
            tuple(options["table"] or SEALED_TABLES),
        )
        name = f"audit-{order.since:%Y%m%dT%H%M}-{until:%Y%m%dT%H%M}.zip"
        path = options["output"] or settings.AUDIT_EXPORT_DIR / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with _bar(None) as bar:
            try:
                manifest = exports.export(order=order, path=path, progress=bar.update)
            except formats.FormatMissing as error:
                raise CommandError(str(error)) from error
        rows = sum(table["rows"] for table in manifest["tables"].values())
        record_command(
            "audit export",
            verb=AuditEntry.Verb.TRAIL_EXPORTED,
            target=path.name,
            detail={"rows": rows},
        )
        self.stdout.write(f"{rows} rows in {path}")

    def prune(self, options: dict[str, Any]) -> None:
        """Drop the partitions past AUDIT_RETENTION_DAYS."""
        days = settings.AUDIT_RETENTION_DAYS
        found = list(retention.expired(days, timezone.now()))
        with schema_lock(say=self.stdout.write):
            for partition in found:
                self._drop(partition, dry_run=options["dry_run"])
        if not found:
            self.stdout.write(f"Nothing to drop. Days kept (0 = forever): {days}")

    def _drop(self, partition: retention.Partition, *, dry_run: bool) -> None:
        if dry_run:
            self.stdout.write(f"{partition.name} would be exported and dropped")
            return
        if not are_ours():
            raise CommandError(
                f"{partition.name} was not dropped: only the owner of the tables"
                " can do that. Run this command with the DATABASE_URL of the"
                " owner, as for `manage.py prepare`."
            )
        try:
            dropped = retention.prune(
                partition=partition,
                folder=settings.AUDIT_EXPORT_DIR,
                actor=command_actor(),
            )
        except retention.NotProven as error:
            raise CommandError(str(error)) from error
        rows = f"{dropped.row_count} rows in {dropped.export}"
        self.stdout.write(f"{partition.name} dropped; {rows}")


def _counted(report: verify.Report) -> str:
    facts = f"{report.rows} rows in {report.seals} seals"
    if report.dropped_rows:
        facts += f"; {report.dropped_rows} more were removed by retention"
    if report.unsealed_rows:
        facts += f"; {report.unsealed_rows} rows are not sealed yet"
    if report.facts:
        facts += f"; {report.facts} facts in other tables compared"
    if report.uncovered_facts:
        facts += f"; {report.uncovered_facts} could not be compared"
    return facts


def moment(text: str) -> datetime:
    """Parse a date, a date with time (default: UTC), or an age such as `7d` or `12h`.

    Raises:
        ValueError: The text is none of these.
    """
    if text[:-1].isdigit() and text[-1] in "dh":
        unit = "days" if text[-1] == "d" else "hours"
        return timezone.now() - timedelta(**{unit: int(text[:-1])})
    parsed = datetime.fromisoformat(text)
    if len(text) == len("2026-01-01"):
        parsed = datetime.combine(parsed, time.min)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _bar(total: int | None) -> Any:
    return tqdm(total=total, unit=" rows", unit_scale=True, disable=None)
