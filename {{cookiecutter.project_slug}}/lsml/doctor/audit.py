"""The audit log: its guards in PostgreSQL's catalogue, its partitions, its seals."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection

from lsml.audit.grants import rights_on_sequence, rights_on_table
from lsml.audit.lag import overdue_after, sealing_lag_s
from lsml.audit.partitions import missing_next_month
from lsml.audit.tables import AUDIT_TABLES, SEALED_TABLES
from lsml.doctor.findings import Finding, ok, problem, warning

_TABLES: Final = [table.name for table in AUDIT_TABLES]
_NAMED_MAX: Final = 3
# tgtype: 1 = for each row, 2 = before, 4 = INSERT, 8 = DELETE, 16 = UPDATE,
# 32 = TRUNCATE.
_UNGUARDED: Final = """
    SELECT c.oid::regclass::text, event.name
    FROM unnest(%s::regclass[]) root
    CROSS JOIN LATERAL (
      SELECT root AS oid UNION SELECT relid FROM pg_partition_tree(root)
    ) member
    JOIN pg_class c ON c.oid = member.oid
    CROSS JOIN (VALUES
      ('DELETE', 1 | 2 | 8, 'audit_forbid_change'),
      ('UPDATE', 1 | 2 | 16, 'audit_forbid_change'),
      ('TRUNCATE', 2 | 32, 'audit_forbid_change'),
      ('a forged INSERT', 1 | 2 | 4, 'audit_forbid_forgery')
    ) event (name, bits, function)
    WHERE (event.bits & 4 = 0 OR root = ANY(%s::regclass[])) AND NOT EXISTS (
      SELECT FROM pg_trigger t
      WHERE t.tgrelid = c.oid AND t.tgenabled = 'A'
        AND (t.tgqual IS NULL) = (event.bits & 4 = 0)
        AND t.tgfoid = to_regproc(event.function)
        AND t.tgtype & event.bits = event.bits
    )
    ORDER BY 1, 2"""
_ROLE: Final = """
    SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
           bool_or(pg_has_role(relowner, 'USAGE'))
    FROM pg_class WHERE oid = ANY(%s::regclass[])"""
_RIGHTS: Final = """
    SELECT relname, array_agg(name) FILTER (WHERE {has}(c.oid, name))
    FROM pg_class c CROSS JOIN unnest(%s::text[]) name
    WHERE relnamespace = current_schema()::regnamespace AND {kind}
    GROUP BY 1 ORDER BY 1"""
_ON_TABLES: Final = _RIGHTS.format(
    has="has_table_privilege", kind="relkind IN ('r', 'p') AND NOT relispartition"
)
_ON_SEQUENCES: Final = _RIGHTS.format(
    has="has_sequence_privilege", kind="relkind = 'S'"
)
_CREATING: Final = """
    SELECT name FROM (VALUES
      ('CREATE on the schema', has_schema_privilege(current_schema(), 'CREATE')),
      ('CREATE on the database', has_database_privilege(current_database(), 'CREATE')),
      ('TEMPORARY on the database', has_database_privilege(current_database(), 'TEMP'))
    ) each (name, has) WHERE has"""
_TABLE_RIGHTS: Final = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"]
_SEQUENCE_RIGHTS: Final = ["USAGE", "SELECT", "UPDATE"]
_GRANT_AGAIN: Final = (
    "Run `manage.py prepare` as the owner of tables and database, with"
    " DATABASE_SERVICE_ROLE set: docs/audit.md."
)


def check_role() -> Iterator[Finding]:
    """Report a role that could remove the guards of the audit log, or lacks a right."""
    [(name, is_superuser, is_owner)] = _rows(_ROLE, [_TABLES])
    if (is_superuser or is_owner) and not settings.DATABASE_URL:
        yield ok("role", f"{name}, the superuser of the embedded server")
    elif is_superuser or is_owner:
        why = "a superuser" if is_superuser else "the owner of the tables"
        yield warning(
            "role",
            f"{name} is {why}: it could remove the guards of the audit log",
            "Let the service connect as a role that owns nothing: docs/audit.md.",
        )
    else:
        yield ok("role", f"{name} owns none of the tables")
        yield from _check_grants()


def _check_grants() -> Iterator[Finding]:
    held = [
        (name, held, rights_on_table(name))
        for name, held in _rows(_ON_TABLES, [_TABLE_RIGHTS])
    ] + [
        (name, held, rights_on_sequence(name))
        for name, held in _rows(_ON_SEQUENCES, [_SEQUENCE_RIGHTS])
    ]
    excessive, missing = [right for (right,) in _rows(_CREATING)], []
    for name, has, should_have in held:
        extra = set(has or ()) - set(should_have)
        lacking = set(should_have) - set(has or ())
        excessive += [f"{right} on {name}" for right in sorted(extra)]
        missing += [f"{right} on {name}" for right in sorted(lacking)]
    if excessive:
        yield warning(
            "grants",
            f"the role has {_some(excessive)}",
            _GRANT_AGAIN,
        )
    if missing:
        yield problem(
            "grants",
            f"the role lacks {_some(missing)}",
            _GRANT_AGAIN,
        )
    if not excessive and not missing:
        yield ok("grants", "as in docs/audit.md")


def check_triggers() -> Iterator[Finding]:
    """Report audit tables and partitions whose rows could be changed."""
    found = [
        f"{change} on {table}"
        for table, change in _rows(_UNGUARDED, [_TABLES, list(SEALED_TABLES)])
    ]
    if found:
        yield problem(
            "triggers",
            f"nothing refuses {_some(found)}",
            "Find out who removed or disabled the trigger, and run `manage.py audit"
            " verify`. Then, as the owner: ALTER TABLE … ENABLE ALWAYS TRIGGER ….",
        )
    else:
        yield ok("triggers", f"guard all {len(_TABLES)} tables and their partitions")


def check_partitions() -> Iterator[Finding]:
    """Report whether next month's rows have a place."""
    if missing := missing_next_month():
        yield problem(
            "next month",
            f"missing: {_some(missing)}; rows would be refused",
            "Run `manage.py prepare` as the tables' owner.",
        )
    else:
        yield ok("next month", "the partitions are there")


def check_sealing() -> Iterator[Finding]:
    """Report whether rows are sealed in time."""
    lag_s = sealing_lag_s()
    if lag_s > overdue_after().total_seconds():
        yield problem(
            "sealing",
            f"a row has waited for {timedelta(seconds=round(lag_s))}",
            "Check that beat and a worker with the queue “scheduled” run, and that no"
            " transaction stays open: docs/audit.md, “Sealing lags”.",
        )
    else:
        yield ok("sealing", f"{lag_s:.0f} s behind")


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED_MAX
    return ", ".join(names[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def _rows(statement: str, arguments: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return list(cursor)
