"""The audit log: its guards in PostgreSQL's catalogue, its partitions, its seals."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection

from lsml.audit.lag import overdue_after, sealing_lag_s
from lsml.audit.partitions import missing_next_month
from lsml.audit.tables import AUDIT_TABLES
from lsml.doctor.findings import Finding, ok, problem, warning

_TABLES: Final = [table.name for table in AUDIT_TABLES]
_NAMED_MAX: Final = 3
# tgtype: 1 = for each row, 2 = before, 8 = DELETE, 16 = UPDATE, 32 = TRUNCATE.
_UNGUARDED: Final = """
    SELECT c.oid::regclass::text, event.name
    FROM unnest(%s::regclass[]) root
    CROSS JOIN LATERAL (
      SELECT root AS oid UNION SELECT relid FROM pg_partition_tree(root)
    ) member
    JOIN pg_class c ON c.oid = member.oid
    CROSS JOIN (VALUES ('DELETE', 1 | 2 | 8), ('UPDATE', 1 | 2 | 16),
                       ('TRUNCATE', 2 | 32)) event (name, bits)
    WHERE NOT EXISTS (
      SELECT FROM pg_trigger t
      WHERE t.tgrelid = c.oid AND t.tgenabled = 'A' AND t.tgqual IS NULL
        AND t.tgfoid = to_regproc('audit_forbid_change')
        AND t.tgtype & event.bits = event.bits
    )
    ORDER BY 1, 2"""
_ROLE: Final = """
    SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
           bool_or(pg_has_role(relowner, 'USAGE'))
    FROM pg_class WHERE oid = ANY(%s::regclass[])"""
_GRANTS: Final = """
    SELECT relname, privilege, has_table_privilege(c.oid, privilege)
    FROM pg_class c
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'])
      privilege
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
      AND NOT relispartition
    ORDER BY 1"""
_SEQUENCES: Final = """
    SELECT privilege || ' on ' || relname FROM pg_class c
    CROSS JOIN unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) privilege
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'S'
      AND NOT has_sequence_privilege(c.oid, privilege)
    ORDER BY 1"""


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
    excessive, missing = [], []
    for table, privilege, is_granted in _rows(_GRANTS):
        changes = privilege in {"UPDATE", "DELETE", "TRUNCATE"}
        if table in _TABLES and changes:
            if is_granted:
                excessive.append(f"{privilege} on {table}")
        elif not is_granted and privilege != "TRUNCATE":
            missing.append(f"{privilege} on {table}")
    missing += [grant for (grant,) in _rows(_SEQUENCES)]
    if excessive:
        yield warning(
            "grants",
            f"the role has {_some(excessive)}",
            "Revoke it, as the tables' owner: docs/audit.md has the statement.",
        )
    if missing:
        yield problem(
            "grants",
            f"the role lacks {_some(missing)}",
            "Grant it, as the tables' owner: docs/audit.md has the statements.",
        )
    if not excessive and not missing:
        yield ok("grants", "as in docs/audit.md")


def check_triggers() -> Iterator[Finding]:
    """Report audit tables and partitions whose rows could be changed."""
    found = [f"{change} on {table}" for table, change in _rows(_UNGUARDED, [_TABLES])]
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
