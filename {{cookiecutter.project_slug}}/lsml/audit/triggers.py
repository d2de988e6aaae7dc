"""The SQL by which PostgreSQL guards an append-only table: its triggers."""

from collections.abc import Collection
from typing import Final

from lsml.audit.fields import SEQUENCE_BITS

# Between computing a row's id and checking it, a busy host may stop the process, or its
# clock may be set.
_CLOCK_TOLERANCE_S: Final = 5
# Python reads its clock once per operation, before it writes the row, on a host whose
# clock may differ.
_TIME_TOLERANCE_H: Final = 24

CREATE_FUNCTIONS: Final = f"""
CREATE FUNCTION audit_forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit rows are append-only: % on % is refused', TG_OP, TG_TABLE_NAME
    USING ERRCODE = '55000';
END $$;

-- The owner could drop the trigger, so it may write rows of the past: made-up ones.
CREATE FUNCTION audit_forbid_forgery() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text;
  moment timestamptz;
  tolerance CONSTANT interval := '{_TIME_TOLERANCE_H} hours';
BEGIN
  IF pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
    RETURN NEW;
  END IF;
  FOREACH name IN ARRAY coalesce(TG_ARGV, '{{}}') LOOP
    EXECUTE format('SELECT ($1).%I', name) INTO moment USING NEW;
    IF moment NOT BETWEEN clock_timestamp() - tolerance
      AND clock_timestamp() + tolerance
    THEN
      RAISE insufficient_privilege USING MESSAGE = format(
        '%s of %s is %s, more than a day from the time of PostgreSQL, %s:'
        ' check the clock of the host that writes the row',
        name, TG_TABLE_NAME, moment, clock_timestamp());
    END IF;
  END LOOP;
  RAISE insufficient_privilege USING MESSAGE = format(
    'PostgreSQL numbers and dates the rows of %s: leave out id and txid',
    TG_TABLE_NAME);
END $$
"""
DROP_FUNCTIONS: Final = (
    "DROP FUNCTION audit_forbid_change(); DROP FUNCTION audit_forbid_forgery()"
)
# Of another transaction, or of another time. PostgreSQL evaluates it without calling
# PL/pgSQL, so it costs an honest row next to nothing.
_FORGED: Final = (
    "NEW.txid <> pg_current_xact_id()::text::bigint OR"
    f" abs((NEW.id >> {SEQUENCE_BITS}) - date_part('epoch', clock_timestamp()) * 1000)"
    f" > {_CLOCK_TOLERANCE_S * 1000}"
)
# Also 'infinity', and years that Python cannot read.
_MISDATED: Final = (
    f" OR abs((NEW.id >> {SEQUENCE_BITS}) - date_part('epoch', NEW.{{}}) * 1000)"
    f" > {_TIME_TOLERANCE_H * 3_600_000}"
)


def forbid_update_and_delete(table: str) -> str:
    """Return SQL for the trigger on the rows of `table` and of its partitions."""
    return _create("no_change", table, "UPDATE OR DELETE", "ROW")


def forbid_truncate(table: str) -> str:
    """Return SQL for the trigger on `table` alone; each partition needs its own."""
    return _create("no_truncate", table, "TRUNCATE", "STATEMENT")


def forbid_forgery(table: str, times: Collection[str]) -> str:
    """Return SQL for the trigger on rows added to `table` and to its partitions.

    Args:
        table: Name of the table.
        times: Its columns that say when the row was written.
    """
    condition = _FORGED + "".join(map(_MISDATED.format, times))
    return _create(
        "no_forgery",
        table,
        "INSERT",
        f"ROW WHEN ({condition})",
        f"audit_forbid_forgery({', '.join(times)})",
    )


def _create(
    name: str,
    table: str,
    event: str,
    each: str,
    function: str = "audit_forbid_change()",
) -> str:
    # ALWAYS: a session with `session_replication_role = replica` is refused as well.
    return (
        f"CREATE TRIGGER {name} BEFORE {event} ON {table}"
        f" FOR EACH {each} EXECUTE FUNCTION {function};"
        f" ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"
    )
