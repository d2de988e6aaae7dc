"""`manage.py prepare --rolling` refuses some migrations, and queues behind nobody."""

import psycopg
import pytest
from django.contrib.postgres.operations import AddConstraintNotValid
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, migrations, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState

from lsml.audit.management.commands import prepare
from lsml.environment import rolling

pytestmark = pytest.mark.django_db(transaction=True)
CREATE_BOX = migrations.CreateModel(
    "Box",
    [("id", models.BigAutoField(primary_key=True)), ("size", models.IntegerField())],
)


@pytest.fixture
def missing(monkeypatch):
    """Have one migration missing, and yield its operations."""
    migration = migrations.Migration("0002_more", "jobs")
    migration.operations = []
    plan = [(migration, False)]
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: plan)
    return migration.operations


@pytest.fixture
def migrated(monkeypatch):
    """Collect the calls of `migrate`, instead of migrating."""
    called = []
    command = "lsml.environment.rolling.call_command"
    monkeypatch.setattr(command, lambda *words, **_: called.append(words))
    return called


@pytest.fixture
def other():
    """Yield another connection to the database."""
    parameters = connection.get_connection_params()
    names = {"dbname", "user", "password", "host", "port"}
    given = {name: parameters[name] for name in names & set(parameters)}
    with psycopg.connect(**given, autocommit=True) as other:
        yield other


@pytest.fixture
def table():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE rolled (id int)")
        yield
        cursor.execute("DROP TABLE rolled")


def test_a_migration_that_would_disturb_is_refused_before_it_is_applied(
    missing, migrated
):
    missing.append(migrations.RunSQL("SELECT 1"))
    with pytest.raises(CommandError, match=r"Nothing was changed[^\n]+\n.*0002_more"):
        call_command("prepare", rolling=True)
    assert migrated == []


def test_another_migration_is_applied(missing, migrated):
    call_command("prepare", rolling=True)
    assert migrated == [("migrate", "jobs", "0002_more")]


def test_only_a_migration_without_a_transaction_waits_for_tables(monkeypatch):
    plain = migrations.Migration("0002_more", "jobs")
    index = migrations.Migration("0003_index", "jobs")
    index.atomic = False
    plan = [(plain, False), (index, False)]
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: plan)
    waits = {}

    def migrate(_migrate, _app, name, **_):
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            waits[name] = cursor.fetchone()[0]

    for module in (rolling, prepare):
        monkeypatch.setattr(module, "call_command", migrate)
    call_command("prepare", rolling=True)
    assert waits == {"0002_more": "300ms", "0003_index": "0"}


def test_nobody_waits_long_behind_a_migration(monkeypatch, other, table):
    other.execute("BEGIN")
    other.execute("SELECT * FROM rolled")  # as a long export does
    attempts = []

    def migrate(*_, **__):
        attempts.append(1)
        if len(attempts) == 3:
            other.execute("COMMIT")
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE rolled ADD COLUMN note text")

    monkeypatch.setattr(rolling, "call_command", migrate)
    monkeypatch.setattr(rolling, "_PAUSE_S", 0)
    rolling.without_queueing("migrate")
    assert len(attempts) == 3
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


def test_a_table_that_is_never_free_is_a_sentence(monkeypatch, other, table):
    other.execute("BEGIN")
    other.execute("SELECT * FROM rolled")

    def migrate(*_, **__):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE rolled ADD COLUMN note text")

    monkeypatch.setattr(rolling, "call_command", migrate)
    monkeypatch.setattr(rolling, "_PAUSE_S", 0)
    monkeypatch.setattr(rolling, "_ATTEMPTS", 2)
    with pytest.raises(CommandError, match="Deploy again when it has ended"):
        rolling.without_queueing("migrate")
    other.execute("COMMIT")


def test_missing_migrations_are_applied_one_after_the_other():
    call_command("migrate", "admin", "0001_initial", verbosity=0)
    try:
        call_command("prepare", rolling=True)
        executor = MigrationExecutor(connection)
        assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []
    finally:
        call_command("migrate", verbosity=0)


@pytest.fixture
def apply():
    """Apply operations to the table `goods_box`."""
    states = [ProjectState()]

    def apply(operation):
        before, after = states[-1], states[-1].clone()
        operation.state_forwards("goods", after)
        with connection.schema_editor() as editor:
            operation.database_forwards("goods", editor, before, after)
        states.append(after)

    apply(CREATE_BOX)
    yield apply
    apply(migrations.DeleteModel("Box"))


def write_as_before():
    """Write and read a row as a version does that knows no other columns."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO goods_box (size) VALUES (-1) RETURNING id, size")
        cursor.execute("UPDATE goods_box SET size = size - 1 RETURNING id, size")


@pytest.mark.parametrize(
    "field", [models.TextField(null=True), models.TextField(db_default="red")]
)
def test_the_version_before_works_with_a_column_that_need_not_be_filled_in(
    apply, field
):
    write_as_before()
    added = migrations.AddField("box", "colour", field)
    assert disturbed_by(added) == []
    apply(added)
    write_as_before()


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("box", "colour", models.TextField(default="red")),
        AddConstraintNotValid(
            "box",
            models.CheckConstraint(condition=models.Q(size__gt=0), name="positive"),
        ),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_the_version_before_cannot_write_after_what_is_refused(apply, operation):
    write_as_before()
    assert disturbed_by(operation)
    apply(operation)
    with pytest.raises(IntegrityError):
        write_as_before()


def disturbed_by(operation):
    migration = migrations.Migration("0002_more", "goods")
    migration.operations = [operation]
    state = ProjectState()
    CREATE_BOX.state_forwards("goods", state)
    return list(rolling.disturbing([migration], state))
