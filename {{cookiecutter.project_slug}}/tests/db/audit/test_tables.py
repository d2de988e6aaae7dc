"""Each append-only table is declared once, and the database agrees."""

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import Error, connection, models, transaction
from django.db.migrations.state import ProjectState

from lsml.audit.fields import TimeOrderedId
from lsml.audit.models import AuditEntry, AuditJob
from lsml.audit.operations import CreateAppendOnlyModel
from lsml.audit.tables import AUDIT_TABLES, SEALED_TABLES
from lsml.jobs.kinds import Event

NAMES = [table.name for table in AUDIT_TABLES]
pytestmark = pytest.mark.django_db(transaction=True)


def rows(sql, *arguments):
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchall()


def columns(table):
    found = rows(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = current_schema AND table_name = %s",
        table,
    )
    kinds = {
        "bigint": "integer",
        "integer": "integer",
        "double precision": "float",
        "character varying": "text",
        "text": "text",
        "jsonb": "json",
        "ARRAY": "json",
        "timestamp with time zone": "time",
        "boolean": "boolean",
    }
    return {name: kinds.get(kind) for name, kind in found}


def test_the_tables_that_refuse_changes_are_those_declared():
    guarded = rows(
        "SELECT c.relname, array_agg(t.tgname::text ORDER BY t.tgname)"
        " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE t.tgfoid = 'audit_forbid_change'::regproc AND NOT c.relispartition"
        " AND t.tgenabled = 'A' GROUP BY 1"
    )
    assert dict(guarded) == {name: ["no_change", "no_truncate"] for name in NAMES}


def test_the_tables_that_refuse_forged_rows_are_those_sealed():
    guarded = rows(
        "SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE t.tgfoid = 'audit_forbid_forgery'::regproc AND NOT c.relispartition"
        " AND t.tgenabled = 'A'"
    )
    assert {name for (name,) in guarded} == set(SEALED_TABLES)


@pytest.mark.parametrize("table", SEALED_TABLES)
def test_postgresql_reads_the_sealed_columns_by_the_indexes(table):
    """Its function for the rows' text is inlined."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN SELECT * FROM {table}_lines() WHERE txid = 1")
        plan = "\n".join(line for (line,) in cursor)
    assert "Bitmap Index Scan" in plan
    assert "Function Scan" not in plan


def test_each_declared_table_belongs_to_a_model():
    assert set(NAMES) <= {model._meta.db_table for model in apps.get_models()}


@pytest.mark.parametrize("table", AUDIT_TABLES, ids=lambda table: table.name)
def test_the_declared_columns_are_those_of_the_table(table):
    if table.is_sealed:
        # No column is left out: what is not sealed could be changed unnoticed.
        assert table.columns == columns(table.name)
    else:
        assert "txid" not in columns(table.name)


def test_the_partitioned_tables_are_those_declared():
    found = rows(
        "SELECT relname FROM pg_class WHERE relkind = 'p'"
        " AND relnamespace = current_schema::regnamespace"
    )
    assert {name for (name,) in found} == {
        table.name for table in AUDIT_TABLES if table.is_partitioned
    }


@pytest.mark.parametrize("table", NAMES)
def test_every_declared_table_refuses_a_change(table):
    key = "number" if table == "audit_seal" else "id"
    _add_row(table)  # the triggers for rows need one
    for statement in ("UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"):
        with pytest.raises(Error, match="append-only"), connection.cursor() as cursor:
            cursor.execute(statement.format(table, key, key))


def _add_row(table):
    """Write a row of zeros and empty values, without its references."""
    values = {
        "bigint": "0",
        "integer": "0",
        "smallint": "0",
        "double precision": "0",
        "jsonb": "'{}'",
        "ARRAY": "'{}'",
        "timestamp with time zone": "now()",
        "bytea": "''",
    }
    wanted = rows(
        "SELECT column_name, data_type FROM information_schema.columns WHERE"
        " table_schema = current_schema AND table_name = %s AND is_nullable = 'NO'"
        " AND column_default IS NULL",
        table,
    )
    names = ", ".join(f'"{name}"' for name, _ in wanted)
    given = ", ".join(values.get(kind, "''") for _, kind in wanted)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no references
        cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({given})")


def test_the_settings_hold_the_days_of_every_partitioned_table(settings):
    assert list(settings.AUDIT_RETENTION_DAYS) == [
        table.name for table in AUDIT_TABLES if table.is_partitioned
    ]


def test_creating_an_append_only_table_can_be_reversed():
    key = models.BigIntegerField(
        primary_key=True, db_default=TimeOrderedId("audit_passing_id_seq")
    )
    operation = CreateAppendOnlyModel(
        "Passing", [("id", key)], sealed_columns=["id", "txid"], partitioned=True
    )
    before = ProjectState()
    after = before.clone()
    operation.state_forwards("audit", after)
    with connection.schema_editor() as editor:
        operation.database_forwards("audit", editor, before, after)
    assert columns("audit_passing") == {"id": "integer", "txid": "integer"}
    with pytest.raises(Error, match="append-only"), connection.cursor() as cursor:
        cursor.execute("TRUNCATE audit_passing")
    with connection.schema_editor() as editor:
        operation.database_backwards("audit", editor, after, before)
    left = (
        "SELECT relname FROM pg_class WHERE relname LIKE 'audit_passing%%'"
        " UNION SELECT proname FROM pg_proc WHERE proname LIKE 'audit_passing%%'"
    )
    assert rows(left) == []


def test_the_migrations_describe_the_models():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_every_event_of_an_audit_job_has_a_verb():
    verbs = {f"{kind} {event}" for kind in AuditJob.Kind for event in Event}
    assert verbs <= set(AuditEntry.Verb)
