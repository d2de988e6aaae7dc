"""Reads the rows that were sealed since a position, for work done after them.

Sealed rows are complete: no row with an older transaction can still appear among them.
"""

from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet

from lsml.audit.models import Seal
from lsml.audit.windows import batches, joined

_SEALS_MAX: Final = 1_000  # an older service has hundreds of thousands


@dataclass(frozen=True, slots=True)
class NewRows:
    """Rows that were sealed since a position.

    Attributes:
        condition: SQL for them, all parts of which are numbers.
        position: The number of the last seal, where the next reading begins.
    """

    condition: str
    position: int


def latest_seal() -> int:
    """Return the number of the predictions' last seal; 0 = there is none."""
    return _seals().values_list("number", flat=True).first() or 0


def newest_predictions(after: int) -> NewRows | None:
    """Return the newest predictions sealed after that seal; None if there are none.

    At most as many as one query should read: after an outage, those before them would
    take minutes, and nobody waits for them any more.
    """
    latest = _seals().filter(number__gt=after).defer("locator")
    seals = list(latest[:_SEALS_MAX])[::-1]
    if not seals:
        return None
    *_, newest = batches(seals)
    return _rows_of(newest, position=seals[-1].number)


def next_rows(table: str, after: int) -> NewRows | None:
    """Return the oldest rows of a table sealed after that seal; None if there are none.

    At most as many as one query should read. Called again with the position, it returns
    those that follow, so that none is left out.
    """
    later = Seal.objects.filter(table=table, number__gt=after).defer("locator")
    seals = list(later.order_by("number")[:_SEALS_MAX])
    if not seals:
        return None
    oldest = next(batches(seals))
    return _rows_of(oldest, position=oldest[-1].number)


def _rows_of(seals: list[Seal], *, position: int) -> NewRows:
    # The ids, so that few partitions are read.
    first = min(seal.first_id for seal in seals)
    last = max(seal.last_id for seal in seals)
    condition = f"{joined(seals).condition} AND id BETWEEN {first} AND {last}"
    return NewRows(condition, position)


def _seals() -> QuerySet[Seal]:
    return Seal.objects.filter(table="audit_prediction").order_by("-number")
