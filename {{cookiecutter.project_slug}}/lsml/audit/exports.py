"""Exports rows: a ZIP with a file per table, its seals, and a manifest.

Memory use is constant. `lsml.audit.export_check` checks the file without a database.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from django.db import connection, transaction
from django.db.models import Max, Min, QuerySet
from django.utils import timezone

from lsml.audit import chain, formats
from lsml.audit.fields import first_id_at
from lsml.audit.lag import unsealed_rows
from lsml.audit.leaves import write_as_documented
from lsml.audit.models import DroppedPartition, Seal
from lsml.audit.tables import FORMAT, SEALED_TABLES, AuditTable
from lsml.audit.windows import batches, joined

_FETCH: Final = 2_000
DESCRIPTION: Final = (
    "Each row's canonical line is JSON; its SHA-256 is its leaf. A seal's rows_digest"
    " is the SHA-256 over its rows' leaves in the order of this file; its digest is the"
    " SHA-256 over its facts, joined by '|'. In <table>.seals.jsonl each seal says how"
    " many of the next rows it covers (exported_rows). docs/audit.md has the details."
)


@dataclass(frozen=True, slots=True)
class Order:
    """What to export: rows written at or after `since` and before `until`."""

    since: datetime
    until: datetime
    file_format: str = "jsonl"  # one of formats.FORMATS
    tables: tuple[str, ...] = tuple(SEALED_TABLES)


def export(
    *, order: Order, path: Path, progress: Callable[[int], object] = lambda rows: None
) -> dict[str, Any]:
    """Write the sealed rows of a time range to `path` (a ZIP file).

    Rows that are not sealed yet are left out. If sealing lags, the manifest says how
    many of them are overdue.

    Returns:
        The manifest.

    Raises:
        FormatMissing: Parquet without pyarrow.
    """
    low, high = first_id_at(order.since), first_id_at(order.until)
    numbers = _overlapping(low, high, order.tables).aggregate(
        first=Min("number"), last=Max("number")
    )
    part = path.with_name(path.name + ".part")
    with (
        transaction.atomic(),
        ZipFile(
            part,
            "w",
            ZIP_DEFLATED,
            compresslevel=1,  # somewhat larger, for less than half the CPU time
        ) as file,
    ):
        write_as_documented()
        tables = {
            name: _Table(
                file, SEALED_TABLES[name], order.file_format, (low, high), progress
            ).write(_between(name, numbers["first"], numbers["last"]))
            for name in order.tables
        }
        manifest = {
            "format": FORMAT,
            "made_at": timezone.now(),
            "from": order.since,
            "until": order.until,
            "from_id": low,
            "until_id": high,
            "file_format": order.file_format,
            "description": DESCRIPTION,
            "first_seal": numbers["first"],
            "last_seal": numbers["last"],
            "tables": tables,
            "dropped": list(
                DroppedPartition.objects.values("table", "from_id", "until_id")
            ),
        }
        file.writestr("manifest.json", formats.dumps(manifest))
    part.replace(path)
    return manifest


def _overlapping(low: int, high: int, tables: Iterable[str]) -> QuerySet[Seal]:
    return Seal.objects.filter(
        table__in=tables, first_id__lt=high, last_id__gte=low, row_count__gt=0
    )


def _between(table: str, first: int | None, last: int | None) -> QuerySet[Seal]:
    """Return a table's seals in that part of the chain, in order."""
    if first is None:
        return Seal.objects.none()
    seals = Seal.objects.filter(table=table, number__range=(first, last))
    return seals.order_by("number")


@dataclass(slots=True)
class _Hashed:
    """A file that computes the SHA-256 of what is written to it."""

    file: IO[bytes]
    sha256: Any = field(default_factory=hashlib.sha256)
    size: int = 0
    closed: bool = False  # read by pyarrow and TextIOWrapper

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return self.file.write(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        pass

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


@dataclass(slots=True)
class _Table:
    """Writes one table's rows and seals."""

    zip: ZipFile
    table: AuditTable
    file_format: str
    bounds: tuple[int, int]
    progress: Callable[[int], object]
    rows: int = 0

    def write(self, seals: QuerySet[Seal]) -> dict[str, Any]:
        name, suffix = self.table.name, self.file_format
        if suffix == "parquet":  # already compressed, and read from its end
            self.zip.compression = ZIP_STORED
        with tempfile.TemporaryFile() as seal_lines:
            with self.zip.open(f"{name}.{suffix}", "w", force_zip64=True) as member:
                rows_file = _Hashed(member)
                writer: Any = formats.writer(suffix, rows_file, self.table.columns)  # type: ignore[arg-type]
                for batch in batches(seals.iterator(chunk_size=100)):
                    self._write_batch(batch, writer, seal_lines)
                writer.close()
            self.zip.compression = ZIP_DEFLATED
            seal_lines.seek(0)
            with self.zip.open(f"{name}.seals.jsonl", "w", force_zip64=True) as member:
                seals_file = _Hashed(member)
                while piece := seal_lines.read(1 << 20):
                    seals_file.write(piece)
        return {
            "rows": self.rows,
            "columns": self.table.columns,
            "sha256": rows_file.sha256.hexdigest(),
            "seals_sha256": seals_file.sha256.hexdigest(),
            "overdue_rows": unsealed_rows(
                name, from_id=self.bounds[0], until_id=self.bounds[1]
            ).overdue,
        }

    def _write_batch(
        self, seals: list[Seal], writer: formats.Writer, seal_lines: IO[bytes]
    ) -> None:
        rows = self._lines(seals)
        row = next(rows, None)
        for seal in seals:
            number = 0
            until = (seal.until_txid, seal.until_id)
            while row is not None and ((row[1], row[0]) < until or seal is seals[-1]):
                writer.write(row[2])
                number += 1
                row = next(rows, None)
            seal_lines.write(formats.dumps(_seal_facts(seal, number)))
            self.rows += number
            self.progress(number)

    def _lines(self, seals: list[Seal]) -> Iterator[tuple[int, int, str]]:
        low, high = self.bounds
        if not any(seal.first_id < high and seal.last_id >= low for seal in seals):
            return
        condition = f"{joined(seals).condition} AND id >= {low} AND id < {high}"
        with connection.connection.cursor(name="lsml_export", binary=True) as cursor:
            cursor.execute(f"{self.table.lines(condition)} ORDER BY txid, id")
            while rows := cursor.fetchmany(_FETCH):
                yield from rows


def _seal_facts(seal: Seal, exported_rows: int) -> dict[str, Any]:
    locator = bytes(seal.locator)
    facts = {
        name: getattr(seal, name)
        for name in chain.SEALED_FIELDS
        if name not in {"locator_digest", "sealed_at"}
    }
    facts |= {
        "sealed_at": chain.microseconds(seal.sealed_at),
        "locator_digest": hashlib.sha256(locator).hexdigest(),
        "digest": seal.digest,
        "exported_rows": exported_rows,
    }
    if exported_rows:
        facts["locator"] = locator.hex()  # names the rows that were sealed
    return facts
