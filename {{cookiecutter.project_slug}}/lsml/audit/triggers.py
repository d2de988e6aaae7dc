"""The SQL by which PostgreSQL refuses to change an append-only table."""

from typing import Final

CREATE_FUNCTION: Final = """
CREATE FUNCTION audit_forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit rows are append-only: % on % is refused', TG_OP, TG_TABLE_NAME
    USING ERRCODE = '55000';
END $$
"""
DROP_FUNCTION: Final = "DROP FUNCTION audit_forbid_change()"


def forbid_update_and_delete(table: str) -> str:
    """Return SQL for the trigger on the rows of `table` and of its partitions."""
    return _create("no_change", table, "UPDATE OR DELETE", "ROW")


def forbid_truncate(table: str) -> str:
    """Return SQL for the trigger on `table` alone; each partition needs its own."""
    return _create("no_truncate", table, "TRUNCATE", "STATEMENT")


def _create(name: str, table: str, change: str, each: str) -> str:
    # ALWAYS: a session with `session_replication_role = replica` is refused as well.
    return (
        f"CREATE TRIGGER {name} BEFORE {change} ON {table}"
        f" FOR EACH {each} EXECUTE FUNCTION audit_forbid_change();"
        f" ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"
    )
