"""A lease kept in a row, for periodic work that one process at a time does.

In a row for the reasons in ADR 11. It expires if the process is killed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now


@contextmanager
def leased(row: QuerySet[Any], lease: timedelta) -> Iterator[bool]:
    """Yield whether this process alone may do the work now.

    Args:
        row: One row, with a column `lease_expires_at`; null = nobody has it.
        lease: More than the work takes.
    """
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lt=Now())
    if not row.filter(free).update(lease_expires_at=Now() + lease):
        yield False
        return
    expires = row.values_list("lease_expires_at", flat=True).get()
    try:
        yield True
    finally:
        row.filter(lease_expires_at=expires).update(lease_expires_at=None)
