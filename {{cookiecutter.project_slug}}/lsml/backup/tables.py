"""Copies the rows of all tables out of PostgreSQL and into it, with COPY.

docs/adr/0058-backups-by-copy.md says why this does not run pg_dump.
"""

import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, cast

from django.db import connection, transaction
from psycopg import sql

from lsml.audit.partitions import make_partitions
from lsml.audit.retention import partitions
from lsml.audit.tables import PARTITIONED_TABLES
from lsml.backup.errors import RestoreRefused
from lsml.backup.manifest import CHUNK, Manifest, Progress, StoredTable, new_file

# Sessions are credentials: who has the backup must not be logged in. The migrations are
# in the manifest.
_LEFT_OUT: Final = frozenset({"django_session", "django_migrations"})
# What `manage.py prepare` fills in an empty database.
_FILLED_BY_PREPARE: Final = frozenset(
    {
        "django_migrations",
        "django_content_type",
        "auth_permission",
        "auth_group",
        "auth_group_permissions",
    }
)
# The text of values must not depend on defaults of the role or the server.
_TEXT: Final = (
    "SET LOCAL datestyle = 'ISO'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL extra_float_digits = 1",
)
_FAST: Final = 1  # gzip's level: the next ones save little, and take twice as long


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Let everything inside read the database as of one moment.

    No table can be changed or dropped meanwhile. Nobody waits for this: it writes
    nothing, so it does not hold up sealing, either.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # The snapshot is taken by the first statement after this one.
        cursor.execute(
            sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(
                sql.SQL(", ").join(map(sql.Identifier, our_tables()))
            )
        )
        for statement in _TEXT:
            cursor.execute(statement)
        yield


def our_tables() -> list[str]:
    """Return the names of the tables that a backup has rows of, sorted."""
    names = connection.introspection.django_table_names(include_views=False)
    return sorted(set(names) - _LEFT_OUT)


def rows_estimated() -> int:
    """Return about how many rows all tables have, for a progress bar."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        )
        return int(cursor.fetchone()[0])


def copy_out(table: str, folder: Path, progress: Progress) -> StoredTable:
    """Write the rows of a table to a file; `progress` is called with rows."""
    columns, months, rows = columns_of(table), [], 0
    if table in PARTITIONED_TABLES:
        months = [f"{each.month:%Y-%m-01}" for each in partitions(table)]
    # Of a query, because PostgreSQL copies no partitioned table itself.
    statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
        _listed(columns), sql.Identifier(table)
    )
    with new_file(folder, f"database/{table}.copy.gz") as file:
        with (
            gzip.GzipFile("", "wb", _FAST, cast(IO[bytes], file), mtime=0) as packed,
            connection.cursor() as cursor,
            cursor.copy(statement) as copied,
        ):
            for row in copied:
                packed.write(row)
                rows += 1
                progress(1)
        stored = file.stored
    return StoredTable(table, columns, rows, months[:1] + months[-1:], stored)


def copy_in(table: StoredTable, folder: Path, progress: Progress) -> None:
    """Add the rows of a file to its table; `progress` is called with bytes of the file.

    Raises:
        RestoreRefused: The file has another number of rows than the manifest.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), _listed(table.columns)
    )
    with (folder / table.file.path).open("rb") as file, gzip.open(file) as rows:
        done = 0
        with connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                while chunk := rows.read(CHUNK):
                    copy.write(chunk)
                    progress(file.tell() - done)
                    done = file.tell()
            if cursor.rowcount != table.rows:
                raise RestoreRefused(
                    f"{table.file.path} has {cursor.rowcount} rows, but the manifest"
                    f" says {table.rows}."
                )


def replace_rows(manifest: Manifest, folder: Path, progress: Progress) -> None:
    """Load all tables and sequences, in one transaction.

    Raises:
        RestoreRefused: The tables are not those of the backup.
    """
    here = _names("r", "p")
    for table in manifest.tables:
        if table.name not in here:  # a table of PostgreSQL itself, for example
            raise RestoreRefused(f"The database has no table {table.name}.")
        _check_columns(table)
        if table.months:
            first, last = map(_month, table.months)
            make_partitions(since=first, until=last, tables=[table.name])
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in _TEXT:
            cursor.execute(statement)
        # What migrations have filled: the backup has these rows as well.
        for name in tables_with_rows(table.name for table in manifest.tables):
            cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
        for table in manifest.tables:
            copy_in(table, folder, progress)
        _set_sequences(manifest)


def refuse_rows() -> None:
    """Make sure that the database is empty, or has only what `prepare` fills in.

    Raises:
        RestoreRefused: It has other rows.
    """
    names = [name for name in _names("r", "p") if name not in _FILLED_BY_PREPARE]
    if filled := tables_with_rows(names):
        raise RestoreRefused(
            f"The database is not empty: {', '.join(filled)} have rows. Nothing was"
            " changed. Restore into a new database: docs/recovery.md."
        )


def tables_with_rows(names: Iterable[str]) -> list[str]:
    """Return those of the tables that are not empty."""
    found = []
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(
                sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(name))
            )
            if cursor.fetchone()[0]:
                found.append(name)
    return found


def sequences() -> dict[str, list[Any]]:
    """Return the last value of each sequence of our tables, and whether it was used."""
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class JOIN pg_depend ON objid = pg_class.oid"
            " WHERE relkind = 'S' AND classid = 'pg_class'::regclass"
            " AND deptype IN ('a', 'i') AND refobjid = ANY(%s::regclass[]) ORDER BY 1",
            [our_tables()],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(
                sql.SQL("SELECT last_value, is_called FROM {}").format(
                    sql.Identifier(name)
                )
            )
            found[name] = list(cursor.fetchone())
    return found


def columns_of(table: str) -> list[str]:
    """Return the columns of a table, in order, without generated ones."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s)"
            " AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
            " ORDER BY attnum",
            [table],
        )
        return [name for (name,) in cursor]


def _set_sequences(manifest: Manifest) -> None:
    here = _names("S")
    with connection.cursor() as cursor:
        for name, (value, used) in manifest.sequences.items():
            if name not in here:
                raise RestoreRefused(f"The database has no sequence {name}.")
            cursor.execute(
                "SELECT setval(to_regclass(%s), %s, %s)", [name, value, used]
            )


def _names(*kinds: str) -> list[str]:
    """Return the names of tables or sequences in our schema, without partitions."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = ANY(%s)"
            " AND NOT relispartition AND relnamespace = current_schema()::regnamespace"
            " ORDER BY 1",
            [list(kinds)],
        )
        return [name for (name,) in cursor]


def _check_columns(table: StoredTable) -> None:
    if sorted(found := columns_of(table.name)) != sorted(table.columns):
        differ = ", ".join(sorted(set(found) ^ set(table.columns)))
        raise RestoreRefused(
            f"The table {table.name} is not that of the backup: it differs in {differ}."
            " The migrations of this code have other contents than those of the backup:"
            " use the code that made it."
        )


def _listed(columns: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _month(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
