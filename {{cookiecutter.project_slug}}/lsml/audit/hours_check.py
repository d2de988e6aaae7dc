"""Compares the hourly counts with the sealed rows: a part of `audit verify`."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection

from lsml.audit.facts import Tally, kept_since
from lsml.audit.rollups import HOURLY_COUNTS, HourlyCounts
from lsml.audit.windows import unsealed

_HOUR: Final = timedelta(hours=1)
_ALL: Final = datetime(1, 1, 1, tzinfo=UTC)


def check_hours(tally: Tally) -> Iterator[str]:
    """Yield the hourly counts that are not the number of their sealed rows.

    Rows and counts are compared in one statement per table. Hours with rows that
    retention removed are left out, and tables with findings: a deleted row is named
    already.
    """
    for table, hourly in HOURLY_COUNTS.items():
        if table in tally.damaged:
            continue
        # The hour is by the clock of a web process, the month by PostgreSQL's.
        kept = kept_since(table)
        since = kept + _HOUR if kept else _ALL
        _count(tally, hourly, since)
        yield from _differences(table, hourly, since)


def _count(tally: Tally, hourly: HourlyCounts, since: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE hour >= %(since)s),"
            f" count(*) FILTER (WHERE hour < %(since)s) FROM {hourly.table}",
            {"since": since},
        )
        compared, uncovered = cursor.fetchone()
    tally.add(compared, uncovered=uncovered)


def _differences(table: str, hourly: HourlyCounts, since: datetime) -> Iterator[str]:
    columns = hourly.columns
    sealed = hourly.recount(table, f"NOT ({unsealed(table).condition})")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns}, sum(kept), sum(sealed) FROM ("
            f" SELECT {columns}, count AS kept, 0 AS sealed FROM {hourly.table}"
            f" UNION ALL SELECT {columns}, 0, count FROM ({sealed}) r"
            f") c WHERE hour >= %s GROUP BY {columns}"
            " HAVING sum(kept) <> sum(sealed) ORDER BY 1",
            [since],
        )
        for hour, *key, kept, found in cursor:
            facts = ", ".join(
                f"{name} {value}"
                for name, value in zip(list(hourly.key)[1:], key, strict=True)
            )
            yield (
                f"The count in {hourly.table} for {hour:%F %H:%M} UTC ({facts}) is"
                f" {kept}, but {found} sealed rows belong to it."
            )
