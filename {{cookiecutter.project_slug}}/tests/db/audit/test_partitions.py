"""Partitions exist before they are needed, and are guarded like their parents."""

from contextlib import contextmanager

import pytest
from django.db import Error, connection, transaction
from django.utils import timezone
from structlog.testing import capture_logs

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


@contextmanager
def service_role():
    """Act as a role that owns nothing, as docs/audit.md says; undone at the end."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE ROLE restricted_service")
        cursor.execute("SET LOCAL SESSION AUTHORIZATION restricted_service")
        yield
        transaction.set_rollback(True)


def test_the_daily_task_does_nothing_for_a_role_that_does_not_own_the_tables():
    with service_role(), capture_logs() as logged:
        tasks.maintain_partitions()
    assert logged == []


def test_a_role_that_cannot_make_next_months_partitions_says_who_can():
    following = partitions.next_month(timezone.now())
    gone = f"audit_prediction_y{following:%Y}m{following:%m}"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {gone}")
    with service_role(), capture_logs() as logged:
        tasks.maintain_partitions()
    partitions.make_partitions_ahead()
    [line] = logged
    assert (line["log_level"], line["missing"]) == ("error", [gone])
    assert "manage.py prepare" in line["event"]


def test_a_new_partition_refuses_truncate():
    last = retention.partitions("audit_prediction")[-1].name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {last}")
    partitions.make_partitions_ahead()
    with pytest.raises(Error, match="append-only"), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {last}")


def test_a_partition_is_not_left_without_its_guard(monkeypatch):
    last = retention.partitions("audit_prediction")[-1].name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {last}")
    with monkeypatch.context() as interrupted:
        interrupted.setattr(partitions, "forbid_truncate", lambda name: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            partitions.make_partitions_ahead()
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
