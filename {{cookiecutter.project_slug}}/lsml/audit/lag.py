"""Counts unsealed rows, for verification and export."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import connection
from django.utils import timezone

from lsml.audit.fields import first_id_at
from lsml.audit.sealing import unsealed

# Beat seals every AUDIT_SEAL_S, ten seconds by default. An open transaction delays
# sealing; one that stays open for minutes should be reported as well.
OVERDUE_AFTER: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class UnsealedRows:
    """Rows of a table that no seal covers."""

    count: int
    overdue: int  # those older than OVERDUE_AFTER
    first_id: int | None  # the smallest id; None without rows


def unsealed_rows(
    table: str, *, from_id: int = 0, until_id: int | None = None
) -> UnsealedRows:
    """Count the unsealed rows whose ids are in `from_id` ≤ id < `until_id`."""
    old = first_id_at(timezone.now() - OVERDUE_AFTER)
    bounds = f" AND id >= {from_id}"
    if until_id is not None:
        bounds += f" AND id < {until_id}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), count(*) FILTER (WHERE id < {old}), min(id)"
            f" FROM {table} WHERE {unsealed(table).condition}{bounds}"
        )
        return UnsealedRows(*cursor.fetchone())
