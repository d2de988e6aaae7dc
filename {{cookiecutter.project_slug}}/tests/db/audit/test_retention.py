"""Old rows are exported, checked and dropped by partition; the chain continues."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from lsml.audit import partitions, retention, sealing
from lsml.audit.export_check import check_export
from lsml.audit.fields import first_id_at
from lsml.audit.models import DroppedPartition, Prediction
from lsml.audit.tables import PARTITIONED_TABLES
from lsml.audit.verify import verify
from tests.db.audit.rows import as_superuser, predict

pytestmark = pytest.mark.django_db(transaction=True)

JANUARY = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def old_rows():
    """Three sealed rows of January 2020 and two of today, all in one seal."""
    partitions.make_partitions(since=JANUARY, until=JANUARY)
    predict(3)
    old = first_id_at(JANUARY + timedelta(days=10))
    as_superuser(
        f"UPDATE audit_prediction SET id = {old} + (id & 4095),"
        f" created_at = '{JANUARY + timedelta(days=10)}'"
    )
    predict(2)
    sealing.seal()
    yield
    for table in PARTITIONED_TABLES:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {table}_y2020m01")


def january():
    [partition] = [
        one for one in retention.partitions("audit_prediction") if one.month == JANUARY
    ]
    return partition


def test_only_partitions_wholly_past_their_days_expire(old_rows):
    end_of_month = datetime(2020, 2, 1, tzinfo=UTC)
    days = {"audit_prediction": 30}
    just = end_of_month + timedelta(days=30)
    assert list(retention.expired(days, just)) == [january()]
    assert list(retention.expired(days, just - timedelta(seconds=1))) == []
    assert list(retention.expired({"audit_prediction": 0}, timezone.now())) == []


def test_a_dropped_partition_leaves_its_seals_its_export_and_a_record(
    old_rows, tmp_path
):
    dropped = retention.prune(partition=january(), folder=tmp_path, actor="test")
    assert Prediction.objects.count() == 2
    assert dropped.row_count == 3
    report = check_export(path=tmp_path / "audit_prediction_y2020m01.zip")
    assert (report.findings, report.rows) == ([], 3)
    sealing.seal()
    report = verify()
    assert (report.findings, report.dropped_rows) == ([], 3)


def test_a_partition_dropped_behind_the_applications_back_is_found(old_rows):
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE audit_prediction_y2020m01")
    assert len(verify().findings) == 3


def test_a_partition_with_a_changed_row_is_kept(old_rows, tmp_path):
    as_superuser("UPDATE audit_prediction_y2020m01 SET score = 0")
    with pytest.raises(retention.NotProven, match="was changed"):
        retention.prune(partition=january(), folder=tmp_path, actor="test")
    assert Prediction.objects.count() == 5
    assert not DroppedPartition.objects.exists()


def test_the_command_applies_the_days_that_are_set(
    old_rows, settings, tmp_path, capsys
):
    settings.AUDIT_EXPORT_DIR = tmp_path
    call_command("audit", "prune")
    assert "Nothing to drop" in capsys.readouterr().out
    settings.AUDIT_RETENTION_DAYS = {"audit_prediction": 365}
    call_command("audit", "prune", "--dry-run")
    assert Prediction.objects.count() == 5
    call_command("audit", "prune")
    assert "audit_prediction_y2020m01 dropped; 3 rows" in capsys.readouterr().out
    assert Prediction.objects.count() == 2


def test_the_command_says_who_can_drop_partitions(old_rows, settings, tmp_path):
    settings.AUDIT_EXPORT_DIR = tmp_path
    settings.AUDIT_RETENTION_DAYS = {"audit_prediction": 365}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE ROLE restricted_service")
        cursor.execute("SET LOCAL SESSION AUTHORIZATION restricted_service")
        with pytest.raises(CommandError, match="only the owner of the tables"):
            call_command("audit", "prune")
        transaction.set_rollback(True)
    assert Prediction.objects.count() == 5
