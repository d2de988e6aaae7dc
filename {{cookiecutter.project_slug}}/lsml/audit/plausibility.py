"""Finds rows that PostgreSQL did not number or date: forged ones, for verification.

The trigger `no_forgery` refuses them, but the tables' owner can disable it.
"""

import math
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from lsml.audit.chain import RowDigest
from lsml.audit.fields import SEQUENCE_BITS, first_id_at
from lsml.audit.models import Seal
from lsml.audit.windows import unsealed

NAMED_ROWS_MAX: Final = 100  # at once; a lost partition would name millions
# Clocks are set, and those of two servers differ.
_TOLERANCE: Final = timedelta(minutes=2)
_NEXT_TXID: Final = "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_FUTURE_ID: Final = (
    "((date_part('epoch', statement_timestamp()) * 1000)::bigint"
    f" + {_TOLERANCE // timedelta(milliseconds=1)} << {SEQUENCE_BITS})"
)


def impossible_rows(table: str) -> Iterator[tuple[int | None, str]]:
    """Yield each row that cannot be, in no order: its id, and a sentence.

    These are rows, sealed or not, with a transaction number that PostgreSQL has not
    assigned, and unsealed rows of the future. Reads a few pages, by the indexes.
    """
    window = unsealed(table)
    impossible = ["id <= 0", "txid <= 0", f"id > {_FUTURE_ID} AND {window.condition}"]
    if window.closing_from_id is None:
        # Rows of an older generation have the numbers of another cluster, and so have
        # those of a dump that is not sealed here yet.
        impossible.append(f"txid >= {_NEXT_TXID} AND id > {window.above_id}")
    with connection.cursor() as cursor:
        # OFFSET has the indexes used although the rows found are few, or none.
        cursor.execute(
            "SELECT id, txid, txid > 0 AND NOT (txid >= next AND id > %s),"
            " count(*) OVER () FROM (SELECT id, txid,"
            f" {_NEXT_TXID} AS next FROM {table}"
            f" WHERE ({') OR ('.join(impossible)}) OFFSET 0) r"
            " ORDER BY id LIMIT %s",
            [window.above_id, NAMED_ROWS_MAX],
        )
        rows = cursor.fetchall()
    for row_id, txid, number_is_possible, _ in rows:
        if not number_is_possible:
            wrong = f"has the transaction number {txid}, which was not assigned here"
        elif row_id > 0:
            wrong = "is dated in the future"
        else:
            wrong = "has an id that is not positive"
        yield row_id, f"Row {row_id} of {table} {wrong}."
    if rows and rows[0][3] > len(rows):
        yield None, f"… and {rows[0][3] - len(rows)} more such rows of {table}."


class SealTimes:
    """Knows between which times the rows of a seal were written."""

    def __init__(self) -> None:
        # By table: when its last seals were made, and those of the pass before.
        self._passes: dict[str, tuple[datetime, datetime | None]] = {}

    def implausible_rows(
        self, seal: Seal, found: RowDigest, rows: Iterable[tuple[int, bytes]]
    ) -> Iterator[tuple[int, str]]:
        """Yield each row whose time does not fit its seal: its id, and a sentence.

        Call it for the seals of a table in the order of the chain.

        Args:
            seal: A seal.
            found: Of the rows; it knows their smallest and largest id.
            rows: (id, leaf) of the rows that the seal covers.
        """
        last, before = self._passes.get(seal.table, (None, None))
        if last != seal.sealed_at:
            before = last
            self._passes[seal.table] = (seal.sealed_at, before)
        latest = first_id_at(seal.sealed_at + _TOLERANCE)
        # While a transaction is open, rows of later ones are not sealed. So a row that
        # is much older than the last pass which sealed any was added after that pass.
        earliest = first_id_at(before - _TOLERANCE) if before else -math.inf
        if earliest <= found.first_id and found.last_id <= latest:
            return
        for row_id, _ in rows:
            if row_id > latest:
                yield (
                    row_id,
                    f"Row {row_id} of {seal.table} is dated later than its seal"
                    f" {seal.number} of {seal.sealed_at:%F %T}.",
                )
            elif row_id < earliest:
                yield (
                    row_id,
                    f"Row {row_id} of {seal.table} is dated minutes before"
                    f" {before:%F %T}, when the rows of that time were sealed, but is"
                    f" only in seal {seal.number}.",
                )
