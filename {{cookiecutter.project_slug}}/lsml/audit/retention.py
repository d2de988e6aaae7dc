"""Removes old rows, by whole partitions, after exporting and checking them.

The seals stay, so the chain still verifies. DroppedPartition records what was removed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from django.db import connection, transaction
from django.utils import timezone

from lsml.audit.export_check import check_export, file_sha256
from lsml.audit.exports import Order, export
from lsml.audit.fields import first_id_at
from lsml.audit.models import DroppedPartition
from lsml.audit.partitions import next_month
from lsml.audit.sealing import seal

log = structlog.get_logger(__name__)


class NotProven(Exception):
    """The export of a partition does not match the partition."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One month of one table."""

    table: str
    name: str
    month: datetime

    @property
    def until(self) -> datetime:
        """The end of its month, exclusive."""
        return next_month(self.month)


def expired(days: dict[str, int], now: datetime) -> Iterator[Partition]:
    """Yield the partitions whose rows are all older than their table's retention.

    Args:
        days: retention by table; 0 = keep forever.
        now: aware.
    """
    for table, kept in days.items():
        if not kept:
            continue
        for partition in partitions(table):
            if partition.until <= now - timedelta(days=kept):
                yield partition


def partitions(table: str) -> list[Partition]:
    """Return a table's partitions, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relid::regclass::text FROM pg_partition_tree(%s) WHERE isleaf"
            " ORDER BY 1",
            [table],
        )
        names = [row[0] for row in cursor.fetchall()]
    return [
        Partition(
            table, name, datetime.strptime(name[-8:], "y%Ym%m").replace(tzinfo=UTC)
        )
        for name in names
    ]


def prune(*, partition: Partition, folder: Path, actor: str) -> DroppedPartition:
    """Export a partition, check the export, then detach and drop the partition.

    Args:
        partition: of a month that is over.
        folder: where the export is written, as `<partition>.zip`.
        actor: user name, or the command.

    Raises:
        NotProven: rows are unsealed or changed; nothing was removed.
    """
    seal()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{partition.name}.zip"
    rows = _count(partition.name)
    order = Order(partition.month, partition.until, tables=(partition.table,))
    export(order=order, path=path)
    report = check_export(path=path)
    if report.findings or report.rows != rows:
        found = "; ".join(str(finding) for finding in report.findings[:3])
        raise NotProven(
            f"{partition.name} was not dropped: it has {rows} rows, of which"
            f" {report.rows} are sealed and exported. {found}"
        )
    with transaction.atomic():
        dropped = DroppedPartition.objects.create(
            at=timezone.now(),
            actor=actor,
            table=partition.table,
            partition=partition.name,
            from_id=first_id_at(partition.month),
            until_id=first_id_at(partition.until),
            row_count=rows,
            export=str(path),
            export_digest=file_sha256(path),
        )
        with connection.cursor() as cursor:
            # Readers and writers of the table wait while this waits for its lock.
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            cursor.execute(
                f"ALTER TABLE {partition.table} DETACH PARTITION {partition.name}"
            )
            cursor.execute(f"DROP TABLE {partition.name}")
    log.info("partition dropped", partition=partition.name, rows=rows)
    return dropped


def _count(partition: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {partition}")
        return int(cursor.fetchone()[0])
