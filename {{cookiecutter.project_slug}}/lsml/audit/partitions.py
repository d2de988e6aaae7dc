"""Monthly partitions of the audit tables, made ahead of time."""

from datetime import UTC, datetime
from typing import Final

from django.db import connection
from django.utils import timezone

from lsml.audit.fields import first_id_at

TABLES: Final = ("audit_prediction", "audit_webhookevent", "audit_auditentry")
MONTHS_AHEAD: Final = 12  # a beat that stands still for a year still costs no row


def make_partitions(*, since: datetime, until: datetime) -> list[str]:
    """Make the partitions that are missing for the months from `since` to `until`.

    Returns:
        Names of the partitions made, oldest first.
    """
    made = []
    month = datetime(since.year, since.month, 1, tzinfo=UTC)
    while month <= until:
        following = next_month(month)
        made += [name for table in TABLES if (name := _make(table, month, following))]
        month = following
    return made


def make_partitions_ahead() -> list[str]:
    """Last month's (a clock may be set back), this month's and a year's."""
    now = timezone.now()
    last = datetime(
        now.year - (now.month == 1), (now.month - 2) % 12 + 1, 1, tzinfo=UTC
    )
    return make_partitions(since=last, until=now.replace(year=now.year + 1, day=1))


def analyze() -> None:
    """Refresh what PostgreSQL knows of the tables; autovacuum does only a part of it.

    Row counts of the partitioned parents, and the summaries by which the sealer skips
    old pages: after much was written at once some stay unsummarized, month after month.
    """
    with connection.cursor() as cursor:
        for table in TABLES:
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


def estimated_count(table: str) -> int:
    """Rows of a table as PostgreSQL believes; off by what came since the last ANALYZE.

    Source: pg_class.reltuples of all partitions.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint"
            " FROM pg_partition_tree(%s) p JOIN pg_class c ON c.oid = p.relid"
            " WHERE p.isleaf",
            [table],
        )
        return int(cursor.fetchone()[0])


def next_month(month: datetime) -> datetime:
    """The first of the month after `month`'s."""
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)


def _make(table: str, month: datetime, following: datetime) -> str | None:
    name = f"{table}_y{month:%Y}m{month:%m}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0]:
            return None
        cursor.execute(
            f"CREATE TABLE {name} PARTITION OF {table}"
            f" FOR VALUES FROM ({first_id_at(month)}) TO ({first_id_at(following)})"
        )
        # A trigger on the parent does not guard a partition against TRUNCATE.
        cursor.execute(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {name}"
            " FOR EACH STATEMENT EXECUTE FUNCTION audit_forbid_change();"
            f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER no_truncate"
        )
    return name
