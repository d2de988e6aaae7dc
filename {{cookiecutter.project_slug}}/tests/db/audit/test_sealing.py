"""Each finished row is sealed once, whatever other writers do."""

import hashlib
import threading
import time

import pytest
from django.db import Error, connection, transaction

from lsml.audit import chain, sealing
from lsml.audit.leaves import leaves
from lsml.audit.models import Prediction, Seal
from lsml.audit.tables import SEALED_TABLES
from lsml.audit.verify import verify
from tests.db.audit.rows import (
    COLUMNS,
    another_connection,
    as_superuser,
    hear,
    move_to_another_cluster,
    predict,
)

pytestmark = pytest.mark.django_db(transaction=True)


def sealed_ids(table="audit_prediction"):
    """Return the ids in sealing order, over all seals of the table."""
    return [
        row_id
        for seal in Seal.objects.filter(table=table).order_by("number")
        for row_id, _ in chain.locator_entries(bytes(seal.locator))
    ]


INSERT = (
    f"INSERT INTO audit_prediction ({COLUMNS[0]}) VALUES ({COLUMNS[1]}) RETURNING id"
)


def test_finished_rows_of_each_table_are_sealed():
    predict(3)
    hear()
    sealing.seal()
    assert [
        (seal.table, seal.row_count) for seal in Seal.objects.order_by("number")
    ] == [
        ("audit_prediction", 3),
        ("audit_webhookevent", 1),
    ]


def test_nothing_new_makes_no_seal():
    predict()
    sealing.seal()
    assert sealing.seal() == []


def test_a_seal_can_be_recomputed_from_the_text_of_its_rows():
    predict(2)
    [seal] = sealing.seal()
    with connection.cursor() as cursor:
        cursor.execute(
            SEALED_TABLES["audit_prediction"].lines("true") + " ORDER BY r.txid, r.id"
        )
        hashes = [hashlib.sha256(line.encode()).digest() for *_, line in cursor]
    assert seal.rows_digest == hashlib.sha256(b"".join(hashes)).hexdigest()


def test_each_seal_carries_the_digest_of_the_one_before():
    for _ in range(3):
        predict()
        sealing.seal()
    seals = list(Seal.objects.order_by("number"))
    assert [seal.number for seal in seals] == [1, 2, 3]
    assert [seal.previous_digest for seal in seals] == [
        chain.START,
        seals[0].digest,
        seals[1].digest,
    ]


def test_the_text_of_a_row_does_not_depend_on_the_session():
    predict()
    [seal] = sealing.seal()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL TimeZone = 'Asia/Tokyo'; SET LOCAL DateStyle = 'German'"
        )
        [[row]] = list(leaves(SEALED_TABLES["audit_prediction"], "true"))
    assert [(row[0], row[2][:8])] == list(chain.locator_entries(bytes(seal.locator)))


@pytest.mark.slow
def test_a_large_backlog_is_sealed_in_pieces(settings):
    settings.AUDIT_SEAL_ROWS_MAX = 2_000
    rows = predict(5_000)  # one transaction: the pieces part in the middle of it
    sealing.seal()
    assert [seal.row_count for seal in Seal.objects.order_by("number")] == [
        2_000,
        2_000,
        1_000,
    ]
    assert sealed_ids() == [row.pk for row in rows]


def test_rows_of_an_open_transaction_wait_and_are_then_sealed_once():
    with another_connection() as other:
        early = other.execute(INSERT).fetchone()[0]
        [late] = predict()
        assert sealing.seal() == []  # the row with the smaller id may still come
        other.commit()
        sealing.seal()
    assert sealed_ids() == [early, late.pk]


def test_rows_rolled_back_leave_no_trace():
    with another_connection() as other:
        other.execute(INSERT)
        other.rollback()
    [row] = predict()
    sealing.seal()
    assert sealed_ids() == [row.pk]


def test_a_second_sealer_returns_at_once():
    predict()
    with another_connection() as other:
        other.execute("SELECT audit_make_seals(1)")
        assert sealing.seal() == []
        other.rollback()
    assert len(sealing.seal()) == 1


def test_a_seal_cannot_be_changed():
    predict()
    sealing.seal()
    for statement in (
        "UPDATE audit_seal SET row_count = 0",
        "DELETE FROM audit_seal",
        "TRUNCATE audit_seal",
    ):
        with pytest.raises(Error, match="append-only"), connection.cursor() as cursor:
            cursor.execute(statement)


def test_rows_of_a_restored_dump_stay_provable_beside_new_ones():
    first = predict(2)
    sealing.seal()
    unsealed = predict()  # sealed by nobody before the dump was made
    move_to_another_cluster()
    sealing.seal()
    newer = predict()
    sealing.seal()
    seals = Seal.objects.filter(table="audit_prediction").order_by("number")
    assert [(seal.generation, seal.row_count) for seal in seals] == [
        (1, 2),
        (1, 1),
        (2, 1),
    ]
    assert sealed_ids() == [row.pk for row in first + unsealed + newer]


def test_rows_of_a_dump_made_before_the_first_seal_are_sealed():
    [row] = predict()
    beyond = "txid + 1000000000"  # the old cluster's numbers were higher
    as_superuser(f"UPDATE audit_prediction SET txid = {beyond} WHERE id = {row.pk}")
    sealing.seal()
    [newer] = predict()
    sealing.seal()
    assert sealed_ids() == [row.pk, newer.pk]
    assert verify().intact


def keep_writing(seed, stop):
    """Transactions of all kinds: short, long, rolled back, with savepoints."""
    with another_connection() as other:
        turn = 0
        while not stop.is_set():
            turn += 1
            for _ in range(1 + (turn + seed) % 4):
                other.execute(INSERT)
            if turn % 5 == seed % 5:
                other.execute("SAVEPOINT half")
                other.execute(INSERT)
                other.execute("ROLLBACK TO half" if turn % 2 else "RELEASE half")
            if seed == 0:
                stop.wait(3.0)  # stays open while the others come and go
                other.execute(INSERT)
            (other.rollback if turn % 10 == 3 else other.commit)()
            time.sleep(0.001 * (seed % 3))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_eight_writers_with_long_transactions_have_each_row_sealed_once():
    stop = threading.Event()
    writers = [
        threading.Thread(target=keep_writing, args=(seed, stop)) for seed in range(8)
    ]
    for writer in writers:
        writer.start()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        sealing.seal()
        time.sleep(0.1)
    stop.set()
    for writer in writers:
        writer.join()
    sealing.seal()
    sealed = sealed_ids()
    assert len(sealed) == len(set(sealed)) > 1_000
    assert set(sealed) == set(Prediction.objects.values_list("pk", flat=True))
