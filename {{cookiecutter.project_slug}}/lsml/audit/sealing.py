"""Seals finished rows, without making a writer wait: docs/adr/0004-seals.md.

The number of the transaction that wrote a row decides which seal covers it. All
transactions below `pg_snapshot_xmin` have ended, so no more rows of theirs can appear.
Rows with higher numbers wait for the next seal.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from lsml.audit import anchors, chain, rollups
from lsml.audit.models import Seal
from lsml.audit.tables import FORMAT, SEALED_TABLES, AuditTable
from lsml.audit.windows import Window, closes, window_after

log = structlog.get_logger(__name__)

_LOCK: Final = 0x6C736D6C5EA1  # one sealer at a time, on any host
_FETCH: Final = 2_000
_Batch = list[tuple[int, int, bytes]]


def seal() -> list[Seal]:
    """Seal the rows finished since the last call, and add them to the hourly counts.

    Returns:
        The seals made, in the order of the chain; none while another sealer runs.
    """
    sealed_at = timezone.now()
    with transaction.atomic():
        if not _alone():
            return []
        write_as_documented()
        made = [
            seal for table in SEALED_TABLES.values() for seal in _seal(table, sealed_at)
        ]
    if made:
        # After the commit: a sequence is not rolled back.
        _remember(made[-1].number)
        anchors.publish(made[-1])
    return made


def write_as_documented() -> None:
    """Pin the settings that change how PostgreSQL writes a value as text."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL extra_float_digits = 1")


def finished_up_to() -> int:
    """Return the number below which every transaction has ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return int(cursor.fetchone()[0])


def leaves(table: AuditTable, condition: str) -> Iterator[_Batch]:
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


def _alone() -> bool:
    with connection.cursor() as cursor:
        # A session's lock would outlive its client in pgbouncer; this one ends with
        # the transaction.
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def _seal(table: AuditTable, sealed_at: datetime) -> Iterator[Seal]:
    last, cluster = _last_seal(table.name), _system_identifier()
    if _was_restored(table, last, cluster):
        last = _close_generation(table, last, sealed_at)
        yield last
    generation = last.generation + closes(last) if last else 1
    window = window_after(last, cluster=cluster)
    window = replace(window, end=(finished_up_to(), 0))
    identity = {"generation": generation, "system_identifier": cluster}
    yield from _seal_window(table, window, sealed_at, identity)


def unsealed(table: str) -> Window:
    """Return the window of the rows that no seal covers, finished or not."""
    return window_after(_last_seal(table), cluster=_system_identifier())


def _last_seal(table: str) -> Seal | None:
    return Seal.objects.filter(table=table).order_by("-number").first()


def _was_restored(table: AuditTable, last: Seal | None, cluster: int) -> bool:
    """Whether rows come from another cluster, and no seal has closed them yet."""
    if last:
        return last.system_identifier != cluster and not closes(last)
    with connection.cursor() as cursor:
        # Dumped before the first seal: its numbers are above those of this cluster.
        cursor.execute(
            f"SELECT EXISTS (SELECT FROM {table.name} WHERE txid >="
            " pg_snapshot_xmax(pg_current_snapshot())::text::bigint)"
        )
        return bool(cursor.fetchone()[0])


def _close_generation(
    table: AuditTable, last: Seal | None, sealed_at: datetime
) -> Seal:
    """Seal the unsealed rows of a restored dump, and return the closing seal.

    Writers wait for this. Transaction numbers started again in the new cluster, so only
    the ids separate old rows from new ones.
    """
    with connection.cursor() as cursor:
        # LOCK TABLE needs more rights than the service should have. The function runs
        # with the rights of its owner.
        cursor.execute("SELECT audit_hold_writers(%s)", [table.name])
        cursor.execute(f"SELECT coalesce(max(id), 0) FROM {table.name}")
        ceiling = cursor.fetchone()[0]
    window = replace(
        window_after(last, cluster=_system_identifier()),
        end=(chain.END_OF_TRANSACTION_NUMBERS, ceiling + 1),
        up_to_id=ceiling,
    )
    rows = chain.RowDigest()
    for batch in leaves(table, window.condition):
        rows.feed([(row[0], row[2]) for row in batch])
    identity = {
        "generation": last.generation if last else 1,
        "system_identifier": last.system_identifier if last else 0,  # 0 = unknown
    }
    closing = _add_seal(table, window, rows, sealed_at, identity)
    rollups.count(table.name, window.condition)
    log.warning("seal generation closed", table=table.name, seal=closing.number)
    return closing


def _seal_window(
    table: AuditTable, window: Window, sealed_at: datetime, identity: dict[str, int]
) -> Iterator[Seal]:
    """Seal a window in pieces: each ends once it has AUDIT_SEAL_ROWS_MAX rows."""
    start, rows, found = window.start, chain.RowDigest(), False
    for batch in leaves(table, window.condition):
        found = True
        rows.feed([(row[0], row[2]) for row in batch])
        if rows.count >= settings.AUDIT_SEAL_ROWS_MAX:
            end = (batch[-1][1], batch[-1][0] + 1)
            piece = replace(window, start=start, end=end)
            yield _add_seal(table, piece, rows, sealed_at, identity)
            start, rows = end, chain.RowDigest()
    if rows.count:
        rest = replace(window, start=start)
        yield _add_seal(table, rest, rows, sealed_at, identity)
    if found:
        rollups.count(table.name, window.condition)


def _add_seal(
    table: AuditTable,
    window: Window,
    rows: chain.RowDigest,
    sealed_at: datetime,
    identity: dict[str, int],
) -> Seal:
    last = Seal.objects.order_by("-number").values_list("number", "digest").first()
    number, previous = last or (0, chain.START)
    facts = identity | {
        "format": FORMAT,
        # Above every number ever used, so removing the last seal leaves a gap.
        "number": max(number, seals_ever_made()) + 1,
        "table": table.name,
        "above_id": window.above_id,
        "from_txid": window.start[0],
        "from_id": window.start[1],
        "until_txid": window.end[0],
        "until_id": window.end[1],
        "row_count": rows.count,
        "first_id": rows.first_id,
        "last_id": rows.last_id,
        "rows_digest": rows.rows_digest,
        "previous_digest": previous,
    }
    digest = chain.seal_digest(
        facts
        | {
            "locator_digest": rows.locator_digest,
            "sealed_at": chain.microseconds(sealed_at),
        }
    )
    return Seal.objects.create(
        **facts, locator=rows.locator, sealed_at=sealed_at, digest=digest
    )


def seals_ever_made() -> int:
    """Return the highest number that any seal had, even if that seal is gone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value, is_called FROM audit_seal_number_seq")
        number, used = cursor.fetchone()
        return int(number) if used else 0


def _remember(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('audit_seal_number_seq', %s)", [number])


def _system_identifier() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier FROM pg_control_system()")
        return int(cursor.fetchone()[0])
