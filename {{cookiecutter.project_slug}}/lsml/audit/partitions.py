"""Creates the monthly partitions of the audit tables ahead of time."""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.db import connection, transaction
from django.utils import timezone

from lsml.audit.fields import first_id_at
from lsml.audit.tables import PARTITIONED_TABLES
from lsml.audit.triggers import forbid_truncate


def make_partitions(
    *, since: datetime, until: datetime, tables: Sequence[str] = PARTITIONED_TABLES
) -> list[str]:
    """Create the missing partitions for the months from `since` to `until`.

    Returns:
        Names of the partitions created, oldest first.
    """
    made = []
    month = datetime(since.year, since.month, 1, tzinfo=UTC)
    while month <= until:
        following = next_month(month)
        made += [name for table in tables if (name := _make(table, month, following))]
        month = following
    return made


def make_partitions_ahead(tables: Sequence[str] = PARTITIONED_TABLES) -> list[str]:
    """Create the missing partitions of last month, this month and the next twelve.

    A year ahead, so that no row is refused if the daily task does not run. Last month,
    because a clock may be set back.
    """
    now = timezone.now()
    last = datetime(
        now.year - (now.month == 1), (now.month - 2) % 12 + 1, 1, tzinfo=UTC
    )
    until = now.replace(year=now.year + 1, day=1)
    return make_partitions(since=last, until=until, tables=tables)


def are_ours() -> bool:
    """Return whether this role owns the tables, so that it may change them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class"
            " WHERE oid = ANY(%s::regclass[])",
            [list(PARTITIONED_TABLES)],
        )
        owned: bool = cursor.fetchone()[0]
    return owned


def missing_next_month() -> list[str]:
    """Return the names of next month's partitions that are not there."""
    month = next_month(timezone.now())
    names = [_name(table, month) for table in PARTITIONED_TABLES]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM unnest(%s::text[]) name WHERE to_regclass(name) IS NULL",
            [names],
        )
        return [name for (name,) in cursor]


def analyze() -> None:
    """Refresh the statistics that autovacuum does not.

    These are the row counts of the partitioned parents, and the BRIN summaries that
    let the sealer skip old pages: after a large write some pages stay unsummarized.
    """
    with connection.cursor() as cursor:
        for table in PARTITIONED_TABLES:
            cursor.execute(f"ANALYZE {table}")
            cursor.execute(
                "SELECT brin_summarize_new_values(i.indexrelid)"
                " FROM pg_partition_tree(%s) p"
                " JOIN pg_index i ON i.indrelid = p.relid"
                " JOIN pg_class c ON c.oid = i.indexrelid"
                " JOIN pg_am a ON a.oid = c.relam AND a.amname = 'brin'"
                " WHERE p.isleaf",
                [table],
            )


def next_month(month: datetime) -> datetime:
    """Return the first day of the following month."""
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)


def _make(table: str, month: datetime, following: datetime) -> str | None:
    name = _name(table, month)
    # One transaction: a partition without its trigger would stay so for good.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0]:
            return None
        cursor.execute(
            f"CREATE TABLE {name} PARTITION OF {table}"
            f" FOR VALUES FROM ({first_id_at(month)}) TO ({first_id_at(following)})"
        )
        # The parent's trigger does not guard a partition against TRUNCATE.
        cursor.execute(forbid_truncate(name))
    return name


def _name(table: str, month: datetime) -> str:
    return f"{table}_y{month:%Y}m{month:%m}"
