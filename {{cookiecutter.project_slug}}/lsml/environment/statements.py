"""Executes the statements of the hot paths, which PostgreSQL plans only once.

Django sends each statement as text, and PostgreSQL parses and plans it every time. For
a short INSERT that costs more than the INSERT itself.
"""

import threading
from collections.abc import Mapping
from typing import Any, cast

import psycopg
import structlog
from django.db import (
    DEFAULT_DB_ALIAS,
    OperationalError,
    ProgrammingError,
    connections,
)
from psycopg.errors import (
    AdminShutdown,
    DuplicatePreparedStatement,
    InvalidSqlStatementName,
)

from lsml.environment.postgresql.base import DatabaseWrapper

log = structlog.get_logger(__name__)

# Set once a prepared statement was missing, or somebody else's was there: then a pooler
# gives each transaction another connection. This process prepares no more.
_pooler_met = threading.Event()


class _PreparedCursor(psycopg.Cursor[tuple[Any, ...]]):
    """Prepares the statement on the server, and leaves other cursors as they are."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        # Django's cursors must not prepare: psycopg would keep the text of the last
        # hundred statements, which may be megabytes each.
        self.connection.prepare_threshold = 0
        try:
            return super().execute(query, params, prepare=True, **options)
        finally:
            self.connection.prepare_threshold = None


def execute_prepared(
    statement: str, parameters: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """Execute a statement that PostgreSQL plans once per connection; return its rows.

    Outside a transaction, it is committed when this returns. Behind a pgbouncer that
    pools transactions (DATABASE_PGBOUNCER), it is planned each time. If that is not
    set, this notices it by an error that PostgreSQL raises before it executes anything,
    and executes the statement again.

    Args:
        statement: SQL with a cast for each parameter, as in `%(name)s::bigint`.
        parameters: by name.

    Raises:
        OperationalError, InterfaceError: there is no connection, or it broke. Then the
            statement may be committed, unless `is_rolled_back`. Or a pooler was noticed
            inside a transaction, which failed with that; the next one will succeed.
    """
    database = cast(DatabaseWrapper, connections[DEFAULT_DB_ALIAS])
    database.close_if_health_check_failed()
    # Django checks connections only before the first query of a request, and a model's
    # code may have run since.
    if database.was_left_open():
        database.close()
    # psycopg chooses a number's type by its size, and would prepare the statement for
    # each combination of types.
    untyped = {
        name: str(value) if value.__class__ is int else value
        for name, value in parameters.items()
    }
    try:
        return _execute(database, statement, untyped)
    except ProgrammingError as error:
        if not _shows_pooler(error):
            raise
        if database.in_atomic_block:
            raise OperationalError(*error.args) from error
        database.close()
        return _execute(database, statement, untyped)


def _execute(
    database: DatabaseWrapper, statement: str, parameters: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    database.ensure_connection()
    make_cursor = (
        database.make_debug_cursor if database.queries_logged else database.make_cursor
    )
    pooled = database.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]
    cursor_class = psycopg.Cursor if pooled or _pooler_met.is_set() else _PreparedCursor
    bare = cursor_class(database.connection)
    with make_cursor(bare) as cursor:  # type: ignore[arg-type]  # it takes psycopg's
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _shows_pooler(error: ProgrammingError) -> bool:
    """Return whether a statement failed because a pooler changed the connection."""
    cause = error.__cause__
    if not isinstance(cause, InvalidSqlStatementName | DuplicatePreparedStatement):
        return False
    if not _pooler_met.is_set():
        _pooler_met.set()
        log.warning(
            "a pooler mixes up prepared statements",
            error=str(error),
            effect="this process prepares none from now on; requests take longer",
            next_step="set DATABASE_PGBOUNCER=true if a pooler that pools transactions "
            "is in front of PostgreSQL",
        )
    return True


def is_rolled_back(error: Exception) -> bool:
    """Return whether a statement is certainly not committed, although it was sent.

    PostgreSQL reports "terminating connection" (57P01) as the result of a statement
    only before its commit. A server that crashes, or stops after the commit, closes the
    connection without a message.
    """
    return isinstance(error.__cause__, AdminShutdown)
