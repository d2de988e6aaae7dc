"""Reads the text of rows, for verification and exports."""

from collections.abc import Iterator
from typing import Final

from django.db import connection

from lsml.audit.tables import AuditTable

_FETCH: Final = 2_000


def write_as_documented() -> None:
    """Pin the settings that change how PostgreSQL writes a value as text."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL extra_float_digits = 1; SET LOCAL TimeZone = 'UTC'")


def leaves(table: AuditTable, condition: str) -> Iterator[list[tuple[int, int, bytes]]]:
    """Yield (id, txid, leaf) in sealing order, in batches. Needs an open transaction.

    A server-side cursor bounds memory. Declared in a transaction, it also works behind
    a transaction-pooling pgbouncer.
    """
    connection.ensure_connection()
    with connection.connection.cursor(name="lsml_leaves", binary=True) as cursor:
        cursor.execute(
            "SELECT id, txid, sha256(convert_to(line, 'UTF8'))"
            f" FROM ({table.lines(condition)}) l ORDER BY txid, id"
        )
        while rows := cursor.fetchmany(_FETCH):
            yield rows
