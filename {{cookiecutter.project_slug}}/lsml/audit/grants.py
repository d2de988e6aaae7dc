"""Gives the service's role its rights in the database, and no others: docs/audit.md.

`manage.py prepare` calls both functions as the owner of the tables.
"""

from typing import Final

from django.db import ProgrammingError, connection, transaction
from psycopg import sql

from lsml.audit.tables import AUDIT_TABLES

_APPEND_ONLY: Final = frozenset(table.name for table in AUDIT_TABLES)
# `audit_make_seals` adds seals, with the rights of the owner; `audit prune` the others.
_ADDED_BY_OWNER: Final = frozenset({"audit_seal", "audit_droppedpartition"})
# By its rows, the owner decides which migrations are missing.
_READ_ONLY: Final = _ADDED_BY_OWNER | {"django_migrations"}
SEAL_NUMBERS: Final = "audit_seal_number_seq"


class RoleRefused(Exception):
    """The role cannot be created, or must not be the service's."""


def rights_on_table(table: str) -> tuple[str, ...]:
    """Return the rights of the service's role on a table. On partitions it has none."""
    if table in _READ_ONLY:
        return ("SELECT",)
    if table in _APPEND_ONLY:
        return ("SELECT", "INSERT")
    return ("SELECT", "INSERT", "UPDATE", "DELETE")


def rights_on_sequence(sequence: str) -> tuple[str, ...]:
    """Return the rights of the service's role on a sequence."""
    return ("SELECT",) if sequence == SEAL_NUMBERS else ("USAGE", "SELECT")


def prepare_role(role: str, password: str) -> None:
    """Make sure that the role exists, has this password, and is not privileged.

    Args:
        role: that web and workers connect as.
        password: set each time, so that a new one takes effect. "" = the role exists,
            and an administrator of PostgreSQL manages its password.

    Raises:
        RoleRefused: The role is missing or privileged, or this role may not change it.
    """
    with connection.cursor() as cursor:
        # A member of the owner has all of the owner's rights; so has a superuser. Those
        # of PostgreSQL's predefined roles write all tables, or read files, or the like.
        cursor.execute(
            "SELECT rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
            " OR pg_has_role(oid, current_user, 'MEMBER')"
            " OR EXISTS (SELECT FROM pg_roles predefined WHERE rolname LIKE 'pg\\_%%'"
            " AND pg_has_role(roles.oid, predefined.oid, 'MEMBER'))"
            " FROM pg_roles roles WHERE rolname = %s",
            [role],
        )
        found = cursor.fetchone()
    if found and found[0]:
        raise RoleRefused(
            f"DATABASE_SERVICE_ROLE is {role}, which owns the tables or has other"
            " rights that the service must not have. Name a role without any."
        )
    if password:
        _set_password(role, password, verb="ALTER" if found else "CREATE")
    elif not found:
        raise RoleRefused(
            f"The role {role} does not exist. Set DATABASE_SERVICE_PASSWORD to have it"
            f" created, or create it: CREATE ROLE {role} LOGIN PASSWORD '…'."
        )


# A role may change defaults of its own sessions: time-outs, isolation levels.
_SET_PASSWORD: Final = (
    "{verb} ROLE {role} LOGIN PASSWORD {password}",
    "ALTER ROLE {role} RESET ALL",
    "ALTER ROLE {role} IN DATABASE {database} RESET ALL",
)


def _set_password(role: str, password: str, *, verb: str) -> None:
    connection.ensure_connection()
    # Hashed here: PostgreSQL may write statements to its log.
    hashed = connection.connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    ).decode()
    names = {
        "verb": sql.SQL(verb),
        "role": sql.Identifier(role),
        "password": sql.Literal(hashed),
        "database": sql.Identifier(connection.settings_dict["NAME"]),
    }
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in _SET_PASSWORD:
                cursor.execute(sql.SQL(statement).format(**names))
    except ProgrammingError as error:
        raise RoleRefused(
            f"The owner of the tables may not create the role {role} or set its"
            " password. Let an administrator of PostgreSQL do it, and leave"
            " DATABASE_SERVICE_PASSWORD empty."
        ) from error


def grant_rights(role: str) -> None:
    """Replace the role's rights on what this role owns in the current schema.

    Partitions get none: PostgreSQL checks the rights on the table that a statement
    names. So those made later need no grant.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT current_schema(), current_database()")
        schema, database = map(sql.Identifier, cursor.fetchone())
        tables = _owned("relkind IN ('r', 'p') AND NOT relispartition")
        partitions = _owned("relkind IN ('r', 'p') AND relispartition")
        sequences = _owned("relkind = 'S'")
        names = {
            "role": sql.Identifier(role),
            "schema": schema,
            "database": database,
            "tables": _listed(tables + partitions),
            "sequences": _listed(sequences),
        }
        for statement in _BEGIN_WITH:
            cursor.execute(sql.SQL(statement).format(**names))
        for table in tables:
            cursor.execute(_grant(rights_on_table(table), "TABLE", table, role))
        for sequence in sequences:
            rights = rights_on_sequence(sequence)
            cursor.execute(_grant(rights, "SEQUENCE", sequence, role))


_BEGIN_WITH: Final = (
    "REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM PUBLIC, {role}",
    "REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {role}",
    "REVOKE ALL ON {tables} FROM {role}",
    "REVOKE ALL ON SEQUENCE {sequences} FROM {role}",
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "REVOKE EXECUTE ON FUNCTION audit_make_seals(integer), audit_remember_seals()"
    " FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION audit_make_seals(integer), audit_remember_seals()"
    " TO {role}",
)


def _grant(rights: tuple[str, ...], kind: str, name: str, role: str) -> sql.Composed:
    return sql.SQL("GRANT {} ON {} {} TO {}").format(
        sql.SQL(", ").join(map(sql.SQL, rights)),
        sql.SQL(kind),
        sql.Identifier(name),
        sql.Identifier(role),
    )


def _owned(kind: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE pg_has_role(relowner, 'USAGE')"
            f" AND relnamespace = current_schema::regnamespace AND {kind} ORDER BY 1"
        )
        return [name for (name,) in cursor]


def _listed(names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
