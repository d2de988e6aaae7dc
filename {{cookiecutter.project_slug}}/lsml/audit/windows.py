"""Finds the rows that a seal covers: a span of transaction numbers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from django.db import connection
from django.db.models import Max

from lsml.audit import chain
from lsml.audit.models import Seal

BATCH_ROWS: Final = 50_000  # rows that one query reads
_END: Final = (chain.END_OF_TRANSACTION_NUMBERS, 0)


@dataclass(frozen=True, slots=True)
class Window:
    """The rows of a seal: `start` ≤ (txid, id) < `end`, with ids above `above_id`.

    With `closing_from_id`, also all rows above that id: the unsealed rows of a restored
    dump. `up_to_id` is the highest id; None = no limit.
    """

    start: tuple[int, int]
    end: tuple[int, int]
    above_id: int = 0
    up_to_id: int | None = None
    closing_from_id: int | None = None

    @property
    def condition(self) -> str:
        """SQL for the rows of the window. All parts are numbers."""
        (from_txid, from_id), (until_txid, until_id) = self.start, self.end
        # The BRIN index needs plain bounds on txid; it cannot use row comparisons.
        span = (
            f"txid >= {from_txid} AND txid <= {until_txid}"
            f" AND (txid, id) >= ({from_txid}, {from_id})"
            f" AND (txid, id) < ({until_txid}, {until_id})"
        )
        if self.closing_from_id is not None:
            span = f"({span} OR id > {self.closing_from_id})"
        if self.above_id:
            span += f" AND id > {self.above_id}"
        if self.up_to_id is not None:
            span += f" AND id <= {self.up_to_id}"
        return span


def window_of(seal: Seal) -> Window:
    """Return the window of the rows that a seal covers."""
    window = Window(
        (seal.from_txid, seal.from_id),
        (seal.until_txid, seal.until_id),
        above_id=seal.above_id,
    )
    generation = Seal.objects.filter(table=seal.table, generation=seal.generation)
    closing = generation.order_by("-number").defer("locator").first()
    if closing is None or not closes(closing):
        return window
    highest = (
        generation.exclude(pk=closing.pk)
        .order_by("-last_id")
        .values_list("last_id", flat=True)
        .first()
    ) or 0
    if seal.pk == closing.pk:
        up_to = seal.until_id - 1
        return replace(window, up_to_id=up_to, closing_from_id=highest)
    return replace(window, up_to_id=highest)


def unsealed(table: str) -> Window:
    """Return the window of the rows that no seal covers, finished or not."""
    last = Seal.objects.filter(table=table).order_by("-number").first()
    with connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier FROM pg_control_system()")
        cluster = cursor.fetchone()[0]
    return _window_after(last, cluster=cluster)


def _window_after(last: Seal | None, *, cluster: int) -> Window:
    """Return the window of a table's unsealed rows.

    Args:
        last: the table's last seal; None before the first.
        cluster: system identifier of this database cluster. If the last seal is from
            another cluster, it came with a restored dump, and transaction numbers
            started again here. Then rows are also found by their ids.
    """
    if last is None or closes(last):
        return Window((0, 0), _END, above_id=last.until_id - 1 if last else 0)
    window = Window((last.until_txid, last.until_id), _END, above_id=last.above_id)
    if last.system_identifier == cluster:
        return window
    sealed = Seal.objects.filter(table=last.table, generation=last.generation)
    highest = sealed.aggregate(highest=Max("last_id"))["highest"]
    return replace(window, closing_from_id=highest)


def closes(seal: Seal) -> bool:
    """Whether the seal is the last of its generation."""
    return seal.until_txid == chain.END_OF_TRANSACTION_NUMBERS


def follows(before: Seal | None, seal: Seal) -> bool:
    """Whether the seals of a table are adjacent, so that no row lies between them."""
    start = (seal.from_txid, seal.from_id)
    if before is None:
        return start == (0, 0) and seal.above_id == 0
    if closes(before):
        return start == (0, 0) and seal.above_id == before.until_id - 1
    same = (before.generation, before.above_id) == (seal.generation, seal.above_id)
    return same and start == (before.until_txid, before.until_id)


def shares_query(before: Seal, seal: Seal) -> bool:
    """Whether the rows of both can be read at once, in order."""
    return follows(before, seal) and not (closes(before) or closes(seal))


def batches(seals: Iterable[Seal]) -> Iterator[list[Seal]]:
    """Group adjacent seals of a table, so that one query reads many rows."""
    batch: list[Seal] = []
    rows = 0
    for seal in seals:
        if batch and (
            rows + seal.row_count > BATCH_ROWS or not shares_query(batch[-1], seal)
        ):
            yield batch
            batch, rows = [], 0
        batch.append(seal)
        rows += seal.row_count
    if batch:
        yield batch


def joined(seals: list[Seal]) -> Window:
    """Return the window of adjacent seals."""
    return replace(window_of(seals[0]), end=window_of(seals[-1]).end)
