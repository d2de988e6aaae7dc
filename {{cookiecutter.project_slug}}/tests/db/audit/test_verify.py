"""Changes made outside the application are found, and the rows named."""

import pytest
from django.db import Error, connection

from lsml.audit import sealing
from lsml.audit.models import Prediction, Seal
from lsml.audit.verify import verify
from tests.db.audit.rows import (
    as_superuser,
    generate,
    hear,
    move_to_another_cluster,
    predict,
)

pytestmark = pytest.mark.django_db(transaction=True)


def found():
    return [str(finding) for finding in verify().findings]


@pytest.fixture
def rows(settings):
    """Twelve sealed rows in seals of four."""
    settings.AUDIT_SEAL_ROWS_MAX = 4
    for _ in range(3):
        predict(4)
        sealing.seal()
    return list(Prediction.objects.order_by("pk").values_list("pk", flat=True))


def test_untouched_rows_are_intact(rows):
    hear()
    sealing.seal()
    report = verify()
    assert (report.findings, report.rows, report.seals) == ([], 13, 4)


@pytest.mark.parametrize(
    "change",
    [
        "score = score + 1e-15",
        "result = '[]'",
        "client = client || ' '",
        "created_at = created_at + interval '1 microsecond'",
        "task_id = NULL",
    ],
)
def test_a_changed_value_is_found_and_its_row_named(rows, change):
    as_superuser(f"UPDATE audit_prediction SET {change} WHERE id = {rows[5]}")
    assert found() == [f"Row {rows[5]} of audit_prediction was changed (seal 2)."]


def test_a_deleted_row_is_named(rows):
    as_superuser(f"DELETE FROM audit_prediction WHERE id = {rows[7]}")
    assert found() == [f"Row {rows[7]} of audit_prediction was deleted (seal 2)."]


def test_a_row_inserted_among_sealed_ones_is_named(rows):
    with connection.cursor() as cursor:
        cursor.execute("SELECT txid FROM audit_prediction WHERE id = %s", [rows[1]])
        txid = cursor.fetchone()[0]
    columns = (
        "request_id, client, created_at, model_version, kind, outcome, input_digest,"
        " latency_ms, batch_size, error"
    )
    as_superuser(
        f"INSERT INTO audit_prediction (id, txid, {columns})"
        f" SELECT id - 4096, {txid}, {columns} FROM audit_prediction"
        f" WHERE id = {rows[0]}"
    )
    forged = rows[0] - 4096
    assert found() == [f"Row {forged} of audit_prediction was inserted (seal 1)."]


def test_two_swapped_rows_are_both_named(rows):
    a, b = rows[2], rows[9]
    as_superuser(
        f"UPDATE audit_prediction SET id = 1 + {rows[-1]} WHERE id = {a}",
        f"UPDATE audit_prediction SET id = {a} WHERE id = {b}",
        f"UPDATE audit_prediction SET id = {b} WHERE id = 1 + {rows[-1]}",
    )
    assert {finding.row_id for finding in verify().findings} == {a, b}


@pytest.mark.parametrize(
    "change",
    [
        "row_count = 3",
        "rows_digest = repeat('0', 64)",
        "sealed_at = now() - interval '1 day'",
        "locator = '\\x00'",
        "until_txid = until_txid + 1",
    ],
)
def test_a_changed_seal_is_named(rows, change):
    as_superuser(f"UPDATE audit_seal SET {change} WHERE number = 2")
    assert "Seal 2 was changed." in found()


def test_a_removed_seal_is_named(rows):
    as_superuser("DELETE FROM audit_seal WHERE number = 2")
    assert "Seal 2 is missing." in found()


def test_the_last_seal_removed_is_named_even_after_sealing_again(rows):
    as_superuser("DELETE FROM audit_seal WHERE number = 3")
    assert "Seal 3 is missing." in found()
    sealing.seal()
    assert "Seal 3 is missing." in found()


def test_a_completely_rewritten_chain_is_detected_by_an_anchor(
    rows, settings, tmp_path
):
    settings.AUDIT_ANCHOR = (tmp_path / "anchors").as_uri()
    predict()
    sealing.seal()
    assert found() == []
    as_superuser(
        "DELETE FROM audit_seal", "SELECT setval('audit_seal_number_seq', 1, false)"
    )
    sealing.seal()
    assert "Seal 4 differs from the anchored one." in found()


def test_rows_unsealed_for_a_long_time_are_reported():
    predict()
    [row] = Prediction.objects.all()
    as_superuser("UPDATE audit_prediction SET id = id - (3600000::bigint << 12)")
    [finding] = verify().findings
    assert "are in no seal" in str(finding)
    assert finding.row_id == row.pk - (3_600_000 << 12)


def test_unsealed_old_rows_of_a_restored_dump_are_reported(rows):
    predict(2)
    made_old = "id - (3600000::bigint << 12)"
    as_superuser(
        f"UPDATE audit_prediction SET id = {made_old} WHERE id > {rows[-1]}",
    )
    move_to_another_cluster()
    assert ["Sealing lags: 2 rows" in each for each in found()] == [True]


def test_young_unsealed_rows_are_only_counted(rows):
    predict(2)
    report = verify()
    assert (report.findings, report.unsealed_rows) == ([], 2)


def test_verification_can_begin_at_a_moment(rows):
    as_superuser(f"DELETE FROM audit_prediction WHERE id = {rows[0]}")
    later = Seal.objects.get(number=2).sealed_at
    assert verify(since=later).findings == []
    assert verify(since=later).seals == 2


def test_rows_of_a_restored_dump_verify_with_those_written_after_it():
    predict(2)
    sealing.seal()
    predict()
    move_to_another_cluster()
    sealing.seal()
    newer = predict()
    sealing.seal()
    # The new cluster's numbers are small: among those of the old one.
    as_superuser(f"UPDATE audit_prediction SET txid = 700 WHERE id = {newer[0].pk}")
    report = verify()
    assert [finding.row_id for finding in report.findings] == [newer[0].pk]
    as_superuser("UPDATE audit_prediction SET score = 1")
    assert verify().rows == 4
    assert {finding.seal for finding in verify().findings} == {1, 2, 3}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_attacks_on_a_hundred_thousand_rows_are_found_and_named():
    generate(100_000)
    sealing.seal()
    rows = list(Prediction.objects.order_by("pk").values_list("pk", flat=True))
    assert verify().intact
    changed, gone, a, b = rows[4_711], rows[50_000], rows[77_777], rows[99_999]
    as_superuser(
        f"UPDATE audit_prediction SET result = '[{{\"n\": 0}}]' WHERE id = {changed}",
        f"DELETE FROM audit_prediction WHERE id = {gone}",
        f"UPDATE audit_prediction SET id = 1 + {rows[-1]} WHERE id = {a}",
        f"UPDATE audit_prediction SET id = {a} WHERE id = {b}",
        f"UPDATE audit_prediction SET id = {b} WHERE id = 1 + {rows[-1]}",
        "UPDATE audit_seal SET row_count = 9999 WHERE number = 3",
    )
    report = verify()
    named = {finding.row_id for finding in report.findings if finding.row_id}
    assert named == {changed, gone, a, b}
    assert "Seal 3 was changed." in [str(finding) for finding in report.findings]


def test_the_application_cannot_change_a_row(rows):
    for statement in (
        f"UPDATE audit_prediction SET score = 0 WHERE id = {rows[0]}",
        "DELETE FROM audit_prediction",
        "TRUNCATE audit_prediction",
        "SET session_replication_role = replica; DELETE FROM audit_prediction",
    ):
        with pytest.raises(Error, match="append-only"), connection.cursor() as cursor:
            cursor.execute(statement)
    connection.close()
    with pytest.raises(Error, match="append-only"):
        Prediction.objects.filter(pk=rows[0]).delete()
    with pytest.raises(Error, match="append-only"):
        Prediction.objects.update(score=0)
