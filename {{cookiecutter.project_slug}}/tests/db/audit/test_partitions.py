"""Partitions exist before they are needed, and are guarded like their parents."""

import pytest
from django.db import Error, connection

from lsml.audit import partitions, retention, tasks
from lsml.audit.tables import PARTITIONED_TABLES
from tests.db.audit.rows import generate

pytestmark = pytest.mark.django_db(transaction=True)


def months(table):
    return [partition.name[-8:] for partition in retention.partitions(table)]


@pytest.mark.parametrize("table", PARTITIONED_TABLES)
def test_a_missing_partition_is_created_by_the_daily_task(table):
    expected = months(table)
    assert len(expected) > 12
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {table}_{expected[-1]}")
    tasks.maintain_partitions()
    assert months(table) == expected


def test_a_new_partition_refuses_truncate():
    last = retention.partitions("audit_prediction")[-1].name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {last}")
    partitions.make_partitions_ahead()
    with pytest.raises(Error, match="append-only"), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {last}")


def test_the_sealer_skips_pages_that_were_filled_at_once():
    generate(20_000)
    partitions.analyze()
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(
            "EXPLAIN (ANALYZE, FORMAT TEXT) SELECT id FROM audit_prediction"
            " WHERE txid > 1000000000000"
        )
        plan = "\n".join(row[0] for row in cursor)
        cursor.execute("RESET enable_seqscan")
    # Only the last pages, which are not a whole range yet, had to be looked at.
    removed = [int(words.split()[0]) for words in plan.split("Index Recheck: ")[1:]]
    assert sum(removed) < 10_000
