"""Forged rows and seals are refused by PostgreSQL, or found if its owner made them."""

import time
from datetime import timedelta

import pytest
import structlog
from django.db import Error, connection, transaction
from django.utils import timezone

from lsml.audit import lag, plausibility, sealing
from lsml.audit.fields import first_id_at
from lsml.audit.models import Prediction
from lsml.audit.tables import SEALED_TABLES
from lsml.audit.verify import verify
from tests.db.audit.rows import (
    COLUMNS,
    another_connection,
    as_service,
    as_superuser,
    hear,
    predict,
)

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
NEVER_ASSIGNED = [-5, 0, 2**63 - 2, 2**63 - 1]


def refused(cursor, statement):
    """Whether PostgreSQL refuses a statement to the role of the service."""
    with pytest.raises(Error) as error, transaction.atomic():
        cursor.execute(statement)
    return "leave out id and txid" in str(error.value) or "permission denied" in str(
        error.value
    )


def found(**options):
    return [str(finding) for finding in verify(**options).findings]


def found_in_rows():
    """Leave out the facts of other tables, which need a transaction of their own."""
    return found(since=timezone.now() - timedelta(hours=1))


def temporary_tables():
    """Return a statement that gives back the right that `prepare` takes away."""
    name = connection.settings_dict["NAME"]
    return f"GRANT TEMPORARY ON DATABASE {name} TO service"


@pytest.mark.parametrize("table", SEALED_TABLES)
def test_a_row_with_a_chosen_number_or_time_is_refused(table):
    now = timezone.now()
    with as_service() as cursor:
        for txid in NEVER_ASSIGNED:
            assert refused(cursor, f"INSERT INTO {table} (txid) VALUES ({txid})")
        for moment in (now - HOUR, now - timedelta(seconds=20), now + HOUR):
            row_id = first_id_at(moment)
            assert refused(cursor, f"INSERT INTO {table} (id) VALUES ({row_id})")


def test_the_number_of_a_transaction_that_still_runs_is_refused():
    with another_connection() as other, as_service() as cursor:
        [txid] = other.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        assert refused(cursor, f"INSERT INTO audit_prediction (txid) VALUES ({txid})")


def test_a_forged_row_is_refused_by_a_partition_as_well():
    month = f"audit_prediction_y{timezone.now():%Ym%m}"
    with as_service() as cursor:
        assert refused(cursor, f"INSERT INTO {month} (id, txid) VALUES (1, -5)")


@pytest.mark.slow
def test_a_row_of_the_past_is_refused_even_at_the_end_of_a_long_statement():
    row_id = first_id_at(timezone.now())
    with as_service() as cursor:
        assert refused(
            cursor,
            f"INSERT INTO audit_prediction (id) SELECT {row_id} FROM pg_sleep(5.5)",
        )


def test_the_service_writes_and_seals_rows():
    predict(2)
    with as_service():
        assert [seal.row_count for seal in sealing.seal()] == [2]
        assert found_in_rows() == []
        predict()
        hear()
        assert Prediction.objects.count() == 3


def test_rows_of_the_transaction_that_seals_are_not_taken_for_a_restored_dump():
    with as_service():
        hear()
        assert sealing.seal() == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_seal (number) VALUES (1)",
        "INSERT INTO audit_droppedpartition (sealed_table) VALUES ('audit_prediction')",
        "SELECT setval('audit_seal_number_seq', 7)",
        "SELECT nextval('audit_seal_number_seq')",
        "SELECT audit_seal_window('audit_prediction', now(), 1, 1, 1, 0, 0, 0, 9, 0,"
        " 0)",
    ],
)
def test_the_service_cannot_decide_a_seal(statement):
    with as_service() as cursor:
        assert refused(cursor, statement)


def test_a_seal_does_not_depend_on_the_session_that_asks_for_it():
    predict(created_at=timezone.now(), score=0.1 + 0.2)
    with as_service(temporary_tables()) as cursor:
        cursor.execute(
            "SET LOCAL TimeZone = 'UTC-5'; SET LOCAL extra_float_digits = -10;"
            " SET LOCAL DateStyle = 'German'; SET LOCAL bytea_output = 'escape';"
            " CREATE TEMP TABLE audit_prediction (id bigint, txid bigint)"
        )
        cursor.execute("SELECT audit_make_seals(100)")
        cursor.execute("DROP TABLE pg_temp.audit_prediction; RESET DateStyle")
        report = verify(since=timezone.now() - timedelta(hours=1))
        assert (report.findings, report.rows) == ([], 1)


def test_a_snapshot_that_may_miss_seals_makes_none():
    with another_connection() as other:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(Exception, match="READ COMMITTED"):
            other.execute("SELECT audit_make_seals(100)")


def test_a_table_of_somebody_else_is_not_sealed():
    with as_service(temporary_tables()) as cursor:
        cursor.execute(
            "CREATE TEMP TABLE invented (id bigint, txid bigint);"
            " CREATE TRIGGER no_forgery BEFORE INSERT ON invented FOR EACH ROW"
            " EXECUTE FUNCTION audit_forbid_forgery()"
        )
        assert sealing.seal() == []


def test_seals_that_were_rolled_back_are_not_missed():
    predict()
    with as_service() as cursor:
        for _ in range(2):
            with transaction.atomic():  # a savepoint
                cursor.execute("SELECT audit_make_seals(100), audit_remember_seals()")
    assert found() == []
    assert [seal.number for seal in sealing.seal()] == [1]
    assert found() == []


def forge(**values):
    """Insert a prediction as the owner could, and return its id."""
    values = {"id": first_id_at(timezone.now()), **values}
    names, given = ", ".join(values), ", ".join(map(str, values.values()))
    as_superuser(
        f"INSERT INTO audit_prediction ({COLUMNS[0]}, {names})"
        f" VALUES ({COLUMNS[1]}, {given})"
    )
    return values["id"]


@pytest.mark.parametrize("txid", NEVER_ASSIGNED)
@pytest.mark.parametrize("sealed", [False, True])
def test_a_row_with_a_number_never_assigned_is_named(txid, sealed):
    predict()
    sealing.seal()
    forged = forge(txid=txid)
    if sealed:
        sealing.seal()
    assert (
        f"Row {forged} of audit_prediction has the transaction number {txid}, which was"
        " not assigned here."
    ) in found()


def test_a_row_of_the_future_is_named():
    forged = forge(id=first_id_at(timezone.now() + HOUR))
    assert found() == [f"Row {forged} of audit_prediction is dated in the future."]
    sealing.seal()
    [finding] = verify().findings
    assert (finding.row_id, finding.seal) == (forged, 1)
    assert "is dated later than its seal" in str(finding)


def test_a_row_with_a_negative_id_is_named():
    as_superuser(
        "INSERT INTO audit_droppedpartition (id, at, actor, sealed_table, partition,"
        " from_id, until_id, row_count, export, export_digest)"
        " VALUES (-5, now(), '', '', '', 1, 1, 0, '', '')"
    )
    sealing.seal()
    assert found() == [
        "Row -5 of audit_droppedpartition has an id that is not positive."
    ]


def test_a_row_of_the_past_is_named_also_after_it_was_sealed():
    predict()
    sealing.seal()
    forged = forge(id=first_id_at(timezone.now() - HOUR))
    for _ in range(2):
        sealing.seal()
        predict()
    [finding] = verify().findings
    assert (finding.row_id, finding.seal) == (forged, 2)
    assert "is only in seal 2" in str(finding)


def test_many_forged_rows_are_counted():
    first = first_id_at(timezone.now())
    as_superuser(
        f"INSERT INTO audit_prediction ({COLUMNS[0]}, id, txid)"
        f" SELECT {COLUMNS[1]}, {first} + g, -g FROM generate_series(1, 150) g"
    )
    sentences = found()
    assert len(sentences) == 101
    assert sentences[-1] == "… and 50 more such rows of audit_prediction."


def test_the_rows_of_a_long_transaction_are_plausible(monkeypatch):
    monkeypatch.setattr(plausibility, "_TOLERANCE", timedelta(seconds=0.2))
    predict()
    sealing.seal()
    with another_connection() as other:
        other.execute(
            f"INSERT INTO audit_prediction ({COLUMNS[0]}) VALUES ({COLUMNS[1]})"
        )
        for _ in range(3):
            time.sleep(0.2)
            predict()
            sealing.seal()
        other.commit()
    sealing.seal()
    assert found() == []
    assert verify().rows == 5


@pytest.mark.slow
def test_looking_for_forged_rows_reads_the_indexes():
    plans = []

    def explained(execute, sql, params, many, context):
        if "OFFSET 0" in sql:
            execute(f"EXPLAIN {sql}", params, many, context)
            plans.append("\n".join(line for (line,) in context["cursor"].fetchall()))
        return execute(sql, params, many, context)

    predict(5_000)
    sealing.seal()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE audit_prediction")
        with connection.execute_wrapper(explained):
            assert found_in_rows() == []
        transaction.set_rollback(True)  # otherwise other tests get these statistics
    month = f"audit_prediction_y{timezone.now():%Ym%m}"
    assert len(plans) == len(SEALED_TABLES)
    assert not any(f"Seq Scan on {month}" in plan for plan in plans)


ANOTHER_DAY = [
    "'infinity'",
    "'-infinity'",
    "'12000-01-01'",
    "'0044-03-15 BC'",
    "now() - interval '25 hours'",
    "now() + interval '25 hours'",
]


@pytest.mark.parametrize("table", SEALED_TABLES.values(), ids=SEALED_TABLES)
def test_a_row_that_claims_another_day_is_refused(table):
    [column] = [name for name, kind in table.columns.items() if kind == "time"]
    with as_service(f"GRANT INSERT ON {table.name} TO service") as cursor:
        for moment in ANOTHER_DAY:
            with (
                pytest.raises(
                    Error, match=f"{column} of {table.name}.* is .*a day from"
                ),
                transaction.atomic(),
            ):
                cursor.execute(f"INSERT INTO {table.name} ({column}) VALUES ({moment})")


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_host_whose_clock_is_two_hours_off_can_write_rows(hours):
    with as_service():
        predict(created_at=timezone.now() + hours * HOUR)
        hear(received_at=timezone.now() + hours * HOUR)
        assert Prediction.objects.count() == 1


# As JSON, each of its characters takes six bytes, and the row more than a gigabyte.
POISON = f"INSERT INTO audit_prediction ({COLUMNS[0]}) VALUES (" + (
    COLUMNS[1].removesuffix("''") + "repeat(chr(1), 190000000))"
)


@pytest.mark.slow
def test_a_row_that_cannot_be_sealed_holds_up_no_other_table(monkeypatch):
    predict()
    sealing.seal()
    with connection.cursor() as cursor:
        cursor.execute(POISON)
    hear()
    with structlog.testing.capture_logs() as logs:
        assert [seal.table for seal in sealing.seal()] == ["audit_webhookevent"]
    [line] = [line for line in logs if line["log_level"] == "error"]
    assert "audit_prediction" in line["reason"]
    monkeypatch.setattr(lag, "overdue_after", timedelta)
    [finding] = found()
    assert "audit_prediction" in finding


def test_a_table_whose_second_seal_fails_gets_none(settings):
    settings.AUDIT_SEAL_ROWS_MAX = 1
    second = predict(2)[1].pk
    hear()
    as_superuser(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'refused'; END $$;"
        " CREATE TRIGGER refuse BEFORE INSERT ON audit_seal FOR EACH ROW"
        f" WHEN (NEW.first_id = {second}) EXECUTE FUNCTION refuse()"
    )
    try:
        seals = sealing.seal()
    finally:
        as_superuser("DROP FUNCTION refuse() CASCADE")
    assert [(seal.number, seal.table) for seal in seals] == [(1, "audit_webhookevent")]
    assert [seal.table for seal in sealing.seal()] == ["audit_prediction"] * 2
    assert found() == []


def test_the_service_cannot_have_a_seal_made_for_each_row():
    predict(2)
    with (
        as_service() as cursor,
        pytest.raises(Error, match="is 99; a seal covers 100 to 1000000 rows"),
    ):
        cursor.execute("SELECT audit_make_seals(99)")
