"""The service's role has the rights that docs/audit.md lists, and no others."""

import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction
from django.utils import timezone

from lsml.audit import partitions
from lsml.audit.grants import RoleRefused, grant_rights, prepare_role
from lsml.audit.management.commands import prepare
from lsml.audit.retention import partitions as existing
from lsml.audit.tables import AUDIT_TABLES
from tests.db.audit.rows import predict

PAGE = Path(__file__).resolve().parents[3] / "docs/audit.md"
ROLE = "grants_test"
TABLE_RIGHTS = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES"]
SEQUENCE_RIGHTS = ["USAGE", "SELECT", "UPDATE"]
pytestmark = pytest.mark.django_db(transaction=True)


def execute(sql, *arguments):
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(autouse=True)
def statistics(monkeypatch):
    """Leave the planner's statistics alone: later tests of this database expect so."""
    monkeypatch.setattr(prepare, "analyze", lambda: None)


@pytest.fixture
def role():
    """The role with its rights, within a transaction that is rolled back."""
    with transaction.atomic():
        prepare_role(ROLE, "first password")
        grant_rights(ROLE)
        yield ROLE
        transaction.set_rollback(True)


@contextmanager
def acting_as(role):
    execute(f"SET LOCAL SESSION AUTHORIZATION {role}")
    yield
    execute("RESET SESSION AUTHORIZATION")


def rights(kinds, function, names):
    """Return the rights that the role has on each relation of these kinds."""
    found = execute(
        "SELECT oid::regclass::text, relispartition, array_remove(array_agg("
        f"  CASE WHEN {function}(%s, oid, name) THEN name END), NULL)"
        " FROM pg_class, unnest(%s::text[]) name WHERE relkind::text = ANY(%s)"
        " AND relnamespace = 'public'::regnamespace GROUP BY 1, 2",
        ROLE,
        names,
        list(kinds),
    )
    return {(name, is_partition): set(held) for name, is_partition, held in found}


def documented():
    """Return the rights that the page lists, by what they are for."""
    section = PAGE.read_text().partition("### The role of the service")[2]
    table = re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE)[1:]
    return {what: set(re.findall(r"`([A-Z]+)`", granted)) for what, granted in table}


def test_the_role_has_the_documented_rights_on_every_table(role):
    append_only = {table.name for table in AUDIT_TABLES}
    page = documented()

    def wanted(name, is_partition):
        if is_partition:
            return page["their partitions"]
        others = "the other append-only" if name in append_only else "all other"
        return page.get(f"`{name}`", page[f"{others} tables"])

    found = rights("rp", "has_table_privilege", TABLE_RIGHTS)
    assert append_only < {name for name, _ in found}
    assert any(is_partition for _, is_partition in found)
    assert found == {each: wanted(*each) for each in found}


def test_the_role_has_the_documented_rights_on_every_sequence(role):
    page = documented()
    found = rights("S", "has_sequence_privilege", SEQUENCE_RIGHTS)
    assert found == {
        (name, False): page["`audit_seal_number_seq`"]
        if name == "audit_seal_number_seq"
        else page["the other sequences"]
        for name, _ in found
    }


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_prediction SET error = 'none'",
        "DELETE FROM audit_webhookevent",
        "INSERT INTO audit_droppedpartition SELECT * FROM audit_droppedpartition",
        "TRUNCATE audit_auditentry",
        "DELETE FROM django_migrations",
        "UPDATE {partition} SET error = 'none'",
        "INSERT INTO {partition} SELECT * FROM audit_prediction",
        "TRUNCATE {partition}",
        "LOCK TABLE audit_prediction IN EXCLUSIVE MODE",
        "ALTER TABLE audit_prediction DISABLE TRIGGER ALL",
        "ALTER TABLE audit_prediction DETACH PARTITION {partition}",
        "DROP TABLE {partition}",
        "SET LOCAL session_replication_role = replica",
        "INSERT INTO audit_seal SELECT * FROM audit_seal",
        "SELECT setval('audit_prediction_id_seq', 1)",
        "SELECT nextval('audit_seal_number_seq')",
        "CREATE TABLE own (id int)",
        "CREATE TEMPORARY TABLE own (id int)",
        "CREATE SCHEMA own",
        "CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE ROLE own",
        "SELECT rolpassword FROM pg_authid",
        "SELECT pg_read_file('postgresql.conf')",
        "COPY audit_prediction TO PROGRAM 'cat'",
    ],
)
def test_the_role_is_refused(role, statement):
    partition = existing("audit_prediction")[-1].name
    refused = pytest.raises(Error, match=r"denied|must be owner")
    with acting_as(role), refused, transaction.atomic():
        execute(statement.format(partition=partition))


def test_the_role_writes_into_a_partition_that_was_made_later():
    now = timezone.now()
    with transaction.atomic():
        execute(f"DROP TABLE audit_prediction_y{now:%Y}m{now:%m}")
        prepare_role(ROLE, "a password")
        grant_rights(ROLE)
        assert partitions.make_partitions(since=now, until=now)
        with acting_as(ROLE):
            predict()
        transaction.set_rollback(True)


def test_rights_given_by_hand_are_taken_away_again(role):
    execute(f"GRANT DELETE ON audit_prediction TO {role}")
    execute(f"GRANT TRUNCATE ON {existing('audit_prediction')[0].name} TO {role}")
    before = rights("rp", "has_table_privilege", TABLE_RIGHTS)
    grant_rights(role)
    after = rights("rp", "has_table_privilege", TABLE_RIGHTS)
    changed = {name: before[name] - after[name] for name in before}
    assert sorted(map(sorted, filter(None, changed.values()))) == [
        ["DELETE"],
        ["TRUNCATE"],
    ]


def password_of(role):
    return execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", role)


def test_a_new_password_replaces_the_old_one(role):
    before = password_of(role)
    prepare_role(role, "second password")
    assert password_of(role) != before


def test_the_password_is_hashed_before_it_is_sent(django_assert_num_queries, role):
    with django_assert_num_queries(6) as sent:  # with the two of the savepoint
        prepare_role(role, "second password")
    assert "second password" not in str(sent.captured_queries)
    assert "SCRAM-SHA-256$" in str(sent.captured_queries)


def test_what_the_role_set_for_its_sessions_is_reset(role):
    with acting_as(role):
        execute(f"ALTER ROLE {role} SET statement_timeout = 1")
    prepare_role(role, "second password")
    assert execute("SELECT count(*) FROM pg_db_role_setting") == [(0,)]


def test_without_a_password_that_of_an_existing_role_stays(role):
    before = password_of(role)
    prepare_role(role, "")
    assert password_of(role) == before


def test_a_missing_role_without_a_password_is_refused():
    with pytest.raises(RoleRefused, match="CREATE ROLE nobody_knows LOGIN"):
        prepare_role("nobody_knows", "")


@pytest.mark.parametrize(
    "privilege", ["SUPERUSER", "CREATEROLE", "member", "pg_write_all_data"]
)
def test_a_privileged_role_is_refused_and_not_changed(role, privilege):
    if privilege == "member":
        [(owner,)] = execute("SELECT current_user")
        execute(f"GRANT {owner} TO {role}")
    elif privilege.startswith("pg_"):
        execute(f"GRANT {privilege} TO {role}")
    else:
        execute(f"ALTER ROLE {role} {privilege}")
    before = password_of(role)
    with pytest.raises(RoleRefused, match="Name a role without any"):
        prepare_role(role, "second password")
    assert password_of(role) == before


def test_the_owner_itself_is_refused():
    [(owner,)] = execute("SELECT current_user")
    with pytest.raises(RoleRefused, match="owns the tables"):
        prepare_role(owner, "a password")


def test_an_owner_who_is_no_superuser_grants_what_it_owns():
    """As in a managed PostgreSQL, where it may not create roles."""
    with transaction.atomic():
        execute(f"CREATE ROLE {ROLE} LOGIN")
        execute("CREATE ROLE plain_owner")
        execute("GRANT CREATE ON SCHEMA public TO plain_owner")
        execute("CREATE TABLE of_somebody_else (id int)")
        for (name,) in execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace ="
            " 'public'::regnamespace AND relkind IN ('r', 'p') AND relname !="
            " 'of_somebody_else'"
        ):
            execute(f"ALTER TABLE {name} OWNER TO plain_owner")
        for (name,) in execute(
            "SELECT oid::regprocedure::text FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace"
        ):
            execute(f"ALTER FUNCTION {name} OWNER TO plain_owner")
        with acting_as("plain_owner"):
            with pytest.raises(RoleRefused, match="may not create the role"):
                prepare_role(ROLE, "a password")
            prepare_role(ROLE, "")
            grant_rights(ROLE)
        found = rights("rp", "has_table_privilege", TABLE_RIGHTS)
        assert found[("audit_prediction", False)] == {"SELECT", "INSERT"}
        assert found[("of_somebody_else", False)] == set()
        transaction.set_rollback(True)


def test_prepare_grants_to_the_role_that_the_environment_names(monkeypatch):
    monkeypatch.setenv("DATABASE_SERVICE_ROLE", ROLE)
    monkeypatch.setenv("DATABASE_SERVICE_PASSWORD", "a password")
    monkeypatch.delenv("ADMIN_PASSWORD", raising=False)
    try:
        call_command("prepare")
        found = rights("rp", "has_table_privilege", TABLE_RIGHTS)
        assert found[("audit_prediction", False)] == {"SELECT", "INSERT"}
    finally:
        execute(f"DROP OWNED BY {ROLE}")
        execute(f"DROP ROLE {ROLE}")


def test_prepare_refuses_the_owner_as_the_services_role(monkeypatch):
    [(owner,)] = execute("SELECT current_user")
    monkeypatch.setenv("DATABASE_SERVICE_ROLE", owner)
    with pytest.raises(CommandError, match="owns the tables"):
        call_command("prepare")


def test_prepare_without_a_role_grants_nothing(monkeypatch):
    monkeypatch.delenv("DATABASE_SERVICE_ROLE", raising=False)
    before = execute("SELECT relname, relacl::text FROM pg_class ORDER BY oid")
    call_command("prepare")
    assert before == execute("SELECT relname, relacl::text FROM pg_class ORDER BY oid")


def test_the_role_can_ask_whether_migrations_wait(role):
    # As the manifests of Kubernetes do, before the service starts.
    with acting_as(role):
        call_command("migrate", "--check", verbosity=0)
