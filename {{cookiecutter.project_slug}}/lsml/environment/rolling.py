"""Migrates while the version before is running.

A rolling deploy migrates first and replaces the processes afterwards. Until then, the
version before works with the new tables. docs/deploying.md has the rules.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.contrib.postgres import operations as postgres
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection, migrations
from django.db.migrations import operations as plain
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Field, Func, UniqueConstraint
from django.db.models.functions import Now
from psycopg.errors import LockNotAvailable

# While a migration waits for a table, all others queue behind it. So it gives up soon.
_LOCK_WAIT_MS: Final = 300
_PAUSE_S: Final = 1.0
_ATTEMPTS: Final = 60

# Only add something, or remove what no query names, and block nobody meanwhile.
_HARMLESS: Final = (
    plain.CreateModel,
    plain.AlterModelOptions,
    plain.AlterModelManagers,
    plain.AlterModelTableComment,
    plain.RemoveIndex,
    plain.RenameIndex,
    postgres.AddIndexConcurrently,
    postgres.ValidateConstraint,
    postgres.CreateExtension,
)
_USES_IT: Final = "the running version still uses it"
_WHY: Final = {
    plain.RemoveField: _USES_IT,
    plain.RenameField: _USES_IT,
    plain.DeleteModel: _USES_IT,
    plain.RenameModel: _USES_IT,
    plain.AlterModelTable: _USES_IT,
    plain.AddField: "the running version inserts rows without it: let it be NULL, or"
    " give it a db_default",
    plain.AlterField: "the running version does not know the new rule",
    plain.AddIndex: "nobody can write to the table meanwhile: use AddIndexConcurrently",
    plain.RemoveConstraint: "the running version relies on it, as in INSERT … ON"
    " CONFLICT",
    postgres.AddConstraintNotValid: "PostgreSQL refuses new rows of the running version"
    " that break the constraint",
    plain.AddConstraint: "the running version does not know the constraint, and nobody"
    " can use the table meanwhile",
}
_VALIDATES_UNDER_LOCK: Final = (
    "the tables that this migration has changed stay locked while rows are checked:"
    " validate in a migration of its own"
)
_CHECKS_ROWS: Final = (
    "nobody can use the table while PostgreSQL checks each row: use a type without a"
    " check, such as IntegerField for PositiveIntegerField"
)
_BUILDS_INDEX: Final = (
    "nobody can use the table while an index is built: add the field without one (of a"
    " foreign key: db_index=False), then AddIndexConcurrently"
)
_REWRITES: Final = "nobody can use the table while PostgreSQL fills in a value per row"
_NOT_KNOWN: Final = "what it does cannot be seen from here"


def applied(executor: MigrationExecutor) -> ProjectState:
    """Return the models as the applied migrations made them."""
    known = executor.loader.graph.nodes
    names = [name for name in executor.loader.applied_migrations if name in known]
    state: ProjectState = executor.loader.project_state(names)
    return state


def without_queueing(*command: str, **options: Any) -> None:
    """Run a command that never waits long for a table, and repeat it if it has to.

    Raises:
        CommandError: A transaction holds the table all the time.
    """
    with _short_waits():
        for _ in range(_ATTEMPTS):
            try:
                call_command(*command, **options)
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable):
                    raise
                time.sleep(_PAUSE_S)
            else:
                return
    raise CommandError(
        "A transaction holds a table that has to be changed: a long export or a backup,"
        " for example. Deploy again when it has ended."
    )


@contextmanager
def _short_waits() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {_LOCK_WAIT_MS}")
        yield
        cursor.execute("RESET lock_timeout")


def disturbing(
    plan: Iterable[migrations.Migration], state: ProjectState
) -> Iterator[str]:
    """Say which operations would disturb the running version, and why.

    Args:
        plan: The migrations to apply, in order.
        state: Of the models before. It is changed.
    """
    created: set[tuple[str, str]] = set()  # nothing that runs uses these tables
    for migration in plan:
        app = migration.app_label
        locked = False  # a table, until the end of the migration
        for each in migration.operations:
            for operation in _in_database([each]):
                if isinstance(operation, plain.CreateModel):
                    created.add((app, operation.name.lower()))
                if (app, _table(operation)) not in created and (
                    reason := _reason(operation, app, state, locked=locked)
                ):
                    what = operation.describe()
                    yield f"{app}.{migration.name}: {what}: {reason}."
                if not isinstance(operation, postgres.ValidateConstraint):
                    locked = migration.atomic
            each.state_forwards(app, state)


def _in_database(operations: Iterable[Operation]) -> Iterator[Operation]:
    for operation in operations:
        if isinstance(operation, plain.SeparateDatabaseAndState):
            yield from _in_database(operation.database_operations)
        else:
            yield operation


def _table(operation: Operation) -> str:
    name: str = getattr(operation, "model_name", getattr(operation, "name", "")) or ""
    return name.lower()


def _reason(
    operation: Operation, app: str, state: ProjectState, *, locked: bool
) -> str | None:
    if isinstance(operation, postgres.ValidateConstraint) and locked:
        return _VALIDATES_UNDER_LOCK
    if isinstance(operation, _HARMLESS):
        return None
    if isinstance(operation, plain.AddField) and _may_be_left_out(operation.field):
        return _why_it_blocks(operation.field)
    if isinstance(operation, plain.AlterField):
        fields = state.models[app, operation.model_name_lower].fields
        if _allows_all_of(operation.field, before=fields[operation.name]):
            return None
    if isinstance(operation, plain.RemoveConstraint):
        model = state.models[app, operation.model_name_lower]
        if not isinstance(
            model.get_constraint_by_name(operation.name), UniqueConstraint
        ):
            return None
    return next(
        (why for kind, why in _WHY.items() if isinstance(operation, kind)), _NOT_KNOWN
    )


def _may_be_left_out(field: "Field[Any, Any]") -> bool:
    return field.null or field.many_to_many or field.has_db_default()


def _why_it_blocks(field: "Field[Any, Any]") -> str | None:
    """Return why adding a column takes as long as the table is large, if it does."""
    if getattr(field, "db_index", False) or field.unique:
        return _BUILDS_INDEX
    if field.get_internal_type() in connection.data_type_check_constraints:
        return _CHECKS_ROWS
    volatile = isinstance(field.db_default, Func) and not isinstance(
        field.db_default, Now
    )
    return _REWRITES if volatile or field.generated else None


def _allows_all_of(field: "Field[Any, Any]", *, before: "Field[Any, Any]") -> bool:
    """Return whether a column takes all that it took before, without a new index."""
    if before.null and not field.null:
        return False
    return _database_part(field) == _database_part(before)


def _database_part(field: "Field[Any, Any]") -> object:
    _, path, args, options = field.deconstruct()
    elsewhere = {"null", "default", "auto_now", "auto_now_add"}
    ignored = {*field.non_db_attrs, *elsewhere} - {"db_column"}
    return path, args, {key: options[key] for key in options if key not in ignored}
