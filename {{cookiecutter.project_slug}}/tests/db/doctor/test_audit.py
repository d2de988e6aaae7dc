"""A guard of the audit log that is missing is found."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from lsml.audit import partitions
from lsml.audit.fields import first_id_at
from lsml.audit.grants import grant_rights
from lsml.audit.retention import partitions as partitions_of
from lsml.doctor import audit
from lsml.doctor.findings import Level
from tests.db.audit.rows import a_prediction

pytestmark = pytest.mark.django_db


@pytest.fixture
def execute():
    """Execute SQL as the superuser; the test's transaction undoes it."""

    def run(*statements):
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    return run


@contextmanager
def acting_as(role):
    """Connect, so to speak, as a role."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL SESSION AUTHORIZATION {role}")
        yield
        cursor.execute("RESET SESSION AUTHORIZATION")


@pytest.fixture
def of_production(settings):
    settings.DATABASE_URL = "postgresql://service@database/lsml"


@pytest.mark.usefixtures("of_production")
def test_a_superuser_is_found(attention):
    assert "is a superuser" in attention(audit.check_role)["role"].text


def test_the_superuser_of_the_embedded_server_is_fine(settings, attention):
    settings.DATABASE_URL = ""
    assert attention(audit.check_role) == {}


@pytest.mark.usefixtures("of_production")
def test_the_owner_of_a_table_is_found(execute, attention):
    execute("CREATE ROLE an_owner", "ALTER TABLE audit_seal OWNER TO an_owner")
    with acting_as("an_owner"):
        found = attention(audit.check_role)
    assert "is the owner of the tables" in found["role"].text


@pytest.mark.usefixtures("of_production")
def test_a_role_with_the_documented_grants_is_fine(execute, attention):
    execute("CREATE ROLE a_service")
    grant_rights("a_service")
    with acting_as("a_service"):
        assert attention(audit.check_role) == {}


@pytest.mark.usefixtures("of_production")
@pytest.mark.parametrize(
    ("change", "level", "says"),
    [
        (
            "GRANT DELETE ON audit_seal TO a_service",
            Level.WARNING,
            "has DELETE on audit_seal",
        ),
        (
            "GRANT UPDATE ON SEQUENCE audit_seal_number_seq TO a_service",
            Level.WARNING,
            "has UPDATE on audit_seal_number_seq",
        ),
        (
            "GRANT CREATE ON SCHEMA public TO PUBLIC",
            Level.WARNING,
            "has CREATE on the schema",
        ),
        (
            "DO $$ BEGIN EXECUTE format('GRANT CREATE, TEMP ON DATABASE %I TO PUBLIC',"
            " current_database()); END $$",
            Level.WARNING,
            "has CREATE on the database, TEMPORARY on the database",
        ),
        (
            "REVOKE INSERT ON audit_webhookevent FROM a_service",
            Level.PROBLEM,
            "lacks INSERT on audit_webhookevent",
        ),
        (
            "REVOKE USAGE ON SEQUENCE audit_prediction_id_seq FROM a_service",
            Level.PROBLEM,
            "lacks USAGE on audit_prediction_id_seq",
        ),
    ],
)
def test_other_grants_are_found(execute, attention, change, level, says):
    execute("CREATE ROLE a_service")
    grant_rights("a_service")
    execute(change)
    with acting_as("a_service"):
        [found] = attention(audit.check_role).values()
    assert (found.level, says in found.text) == (level, True)


def newest_partition():
    return partitions_of("audit_prediction")[-1].name


def test_all_triggers_are_there(attention):
    assert attention(audit.check_triggers) == {}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            "ALTER TABLE audit_seal DISABLE TRIGGER no_change",
            "DELETE on audit_seal, UPDATE on audit_seal",
        ),
        (
            "ALTER TABLE audit_prediction ENABLE TRIGGER no_truncate",
            "TRUNCATE on audit_prediction",
        ),
        (
            "ALTER TABLE {partition} DISABLE TRIGGER no_forgery",
            "a forged INSERT on {partition}",
        ),
        ("DROP TRIGGER no_truncate ON {partition}", "TRUNCATE on {partition}"),
        (
            "ALTER TABLE {partition} DISABLE TRIGGER no_change",
            "DELETE on {partition}, UPDATE on {partition}",
        ),
    ],
    ids=[
        "disabled",
        "not always",
        "forgery",
        "dropped in a partition",
        "disabled in one",
    ],
)
def test_a_trigger_that_does_not_guard_is_found(execute, attention, change, says):
    partition = newest_partition()
    execute(change.format(partition=partition))
    found = attention(audit.check_triggers)["triggers"]
    assert found.text == f"nothing refuses {says.format(partition=partition)}"


def test_a_missing_partition_is_found(execute, attention):
    assert attention(audit.check_partitions) == {}
    month = partitions.next_month(timezone.now())
    name = f"audit_prediction_y{month:%Y}m{month:%m}"
    execute(f"DROP TABLE {name}")
    assert name in attention(audit.check_partitions)["next month"].text


def test_rows_that_are_not_sealed_in_time_are_found(attention):
    assert attention(audit.check_sealing) == {}
    old = timezone.now() - timedelta(minutes=2)
    a_prediction(pk=first_id_at(old), created_at=old).save(force_insert=True)
    assert "has waited for 0:02:0" in attention(audit.check_sealing)["sealing"].text
