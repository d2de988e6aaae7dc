"""Sizes, free space, and when it will be used up."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db import connection
from django.db.models import Min, QuerySet, Sum
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from lsml.audit.models import EventHour, PredictionHour
from lsml.audit.retention import partitions
from lsml.doctor.findings import Finding, ok, problem, warning
from lsml.observability.counts import counts_folders
from lsml.registry.models import ModelVersion

_TABLES_NAMED: Final = 3
_WEEK: Final = timedelta(days=7)
# With fewer, the pages that each empty index has would count for more than the rows.
_ROWS_MIN: Final = 10_000
_FREE_SHARE_MIN: Final = 0.1
_DAYS_LEFT_MIN: Final = 30
_NEXT_STEP: Final = (
    "Make room, or keep less: AUDIT_RETENTION_DAYS with `manage.py audit prune`."
)
_SIZES: Final = """
    SELECT coalesce(pg_partition_root(oid), oid)::regclass::text,
           sum(pg_total_relation_size(oid))::bigint
    FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    GROUP BY 1 ORDER BY 2 DESC"""


@dataclass(slots=True)
class FileSystem:
    """A file system that the service writes to."""

    contents: list[str] = field(default_factory=list)
    total: int = 0  # bytes
    free: int = 0
    growth: float = 0.0  # bytes a day

    @property
    def space(self) -> Finding:
        """Say how much is free."""
        text = f"{in_words(self.free)} of {in_words(self.total)} free{self._where}"
        if not self.free:
            return problem("disk", text, _NEXT_STEP)
        if self.free < _FREE_SHARE_MIN * self.total:
            return warning("disk", text, _NEXT_STEP)
        return ok("disk", text)

    @property
    def projection(self) -> Finding:
        """Say when it will be full."""
        if not self.growth:
            return ok("disk full", f"does not fill up{self._where}")
        days = self.free / self.growth
        text = f"full in {_days_in_words(days)}{self._where}"
        if days < _DAYS_LEFT_MIN:
            return warning("disk full", text, _NEXT_STEP)
        return ok("disk full", text)

    @property
    def _where(self) -> str:
        return f" ({', '.join(self.contents)})"


def check_tables() -> Iterator[Finding]:
    """Report the sizes of the tables with their indexes."""
    sizes = table_sizes()
    largest = [
        f"{name} {in_words(size)}" for name, size in list(sizes.items())[:_TABLES_NAMED]
    ]
    yield ok("tables", f"{in_words(sum(sizes.values()))}; {', '.join(largest)}")


def check_stored_artifacts() -> Iterator[Finding]:
    """Report what the versions' artifacts take in the storage."""
    stored = ModelVersion.objects.exclude(artifact_key="")
    text = f"{in_words(_bytes_of(stored))}; versions: {stored.count()}"
    yield ok("all artifacts", text)


def check_folders() -> Iterator[Finding]:
    """Report the sizes of the folders on this host that grow."""
    for content, folders in folders_here().items():
        where = ", ".join(map(str, folders))
        yield ok(content, f"{in_words(sum(map(size_of, folders)))} in {where}")


def check_disks() -> Iterator[Finding]:
    """Report the space that is left on this host."""
    for each in file_systems(folders_here(), {}):
        yield each.space
    if settings.DATABASE_URL:
        yield ok("disk", "that of PostgreSQL cannot be seen from here")


def check_growth() -> Iterator[Finding]:
    """Report when the disks of this host will be full."""
    now = timezone.now()
    growth = {
        "database": tables_growth(table_sizes(), now),
        "artifacts": artifacts_growth(now),
    }
    for content, a_day in growth.items():
        text = f"{in_words(a_day)} a day, over 7 days" if a_day else "not known yet"
        yield ok(f"growth of {content}", text)
    if not growth["database"]:
        return
    for each in file_systems(folders_here(), growth):
        if each.growth:
            yield each.projection


def table_sizes() -> dict[str, int]:
    """Return bytes by table, indexes and partitions included, the largest first."""
    with connection.cursor() as cursor:
        cursor.execute(_SIZES)
        return dict(cursor.fetchall())


def tables_growth(sizes: dict[str, int], now: datetime) -> float:
    """Return the bytes a day by which predictions and events grow; 0 = not known.

    From the rows of the last seven days and the average size of a row. Only rows that
    still have their partition are counted, as `audit prune` keeps the hourly counts.
    """
    growth = 0.0
    for table, hours in (
        ("audit_prediction", PredictionHour.objects),
        ("audit_webhookevent", EventHour.objects),
    ):
        kept = hours.filter(hour__gte=partitions(table)[0].month)
        rows = kept.aggregate(n=Sum("count"))["n"] or 0
        if rows < _ROWS_MIN:
            continue
        recent = hours.filter(hour__gte=now - _WEEK, hour__lt=now)
        week = recent.aggregate(n=Sum("count"), since=Min("hour"))
        if week["n"]:
            growth += week["n"] / _days(week["since"], now) * sizes[table] / rows
    return growth


def artifacts_growth(now: datetime) -> float:
    """Return the bytes a day of new artifacts, over the last seven days."""
    recent = ModelVersion.objects.filter(created_at__gte=now - _WEEK)
    return _bytes_of(recent) / _WEEK.days


def folders_here() -> dict[str, list[Path]]:
    """Return the folders on this host that grow, by what is in them."""
    storage = urlsplit(settings.ARTIFACT_STORAGE)
    folders = {
        "database": [] if settings.DATABASE_URL else [settings.DATA_DIR / "postgres"],
        "artifacts": [Path(unquote(storage.path))] if storage.scheme == "file" else [],
        "artifact cache": [settings.ARTIFACT_CACHE_DIR],
        "exports": [settings.AUDIT_EXPORT_DIR],
        "counts for metrics": counts_folders(settings.DATA_DIR),
    }
    there = {name: [*filter(Path.is_dir, those)] for name, those in folders.items()}
    return {content: folders for content, folders in there.items() if folders}


def file_systems(
    folders: dict[str, list[Path]], growth: dict[str, float]
) -> list[FileSystem]:
    """Return the file systems of these folders, with what will be written to them."""
    found: dict[int, FileSystem] = {}
    for content, those in folders.items():
        system = found.setdefault(those[0].stat().st_dev, FileSystem())
        usage = shutil.disk_usage(those[0])
        system.contents.append(content)
        system.total, system.free = usage.total, usage.free
        system.growth += growth.get(content, 0.0)
    return list(found.values())


def size_of(folder: Path) -> int:
    """Return the bytes that the files below a folder take; what is unreadable is 0."""
    size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # removed meanwhile
                size += Path(root, name).lstat().st_blocks * 512
    return size


def in_words(size: float) -> str:
    """Write a number of bytes, such as 1.5 GB."""
    return filesizeformat(size).replace("\xa0", " ")


def _days_in_words(days: float) -> str:
    """Write a number of days, in years if there are many."""
    return f"{days:.0f} days" if days < 1000 else f"{days / 365:.0f} years"


def _days(since: datetime, now: datetime) -> float:
    return max(1.0, (now - since) / timedelta(days=1))


def _bytes_of(versions: QuerySet[ModelVersion]) -> int:
    return int(versions.aggregate(n=Sum("artifact_bytes"))["n"] or 0)
