"""Finds rows that are not sealed yet: for verification, exports and alarms."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import connection
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from lsml.audit.fields import SEQUENCE_BITS, first_id_at
from lsml.audit.tables import SEALED_TABLES
from lsml.audit.windows import unsealed

_OVERDUE_S: Final = 60.0
_OVERDUE_PASSES: Final = 6  # of the sealer, if they take longer than _OVERDUE_S
# Of several seals, because the ids of their rows overlap.
_OLDEST: Final = (
    "(SELECT min(id) FROM {0} WHERE id > coalesce((SELECT max(last_id) FROM"
    " (SELECT last_id FROM audit_seal WHERE sealed_table = '{0}'"
    " ORDER BY number DESC LIMIT 100) s), 0))"
)


@dataclass(frozen=True, slots=True)
class UnsealedRows:
    """Rows of a table that no seal covers."""

    count: int
    overdue: int  # those older than overdue_after()
    first_id: int | None  # the smallest id; None without rows


def overdue_after() -> timedelta:
    """Return the age from which an unsealed row is reported."""
    return timedelta(seconds=max(_OVERDUE_S, _OVERDUE_PASSES * settings.AUDIT_SEAL_S))


def unsealed_rows(
    table: str, *, from_id: int = 0, until_id: int | None = None
) -> UnsealedRows:
    """Count the unsealed rows whose ids are in `from_id` ≤ id < `until_id`."""
    old = first_id_at(timezone.now() - overdue_after())
    bounds = f" AND id >= {from_id}"
    if until_id is not None:
        bounds += f" AND id < {until_id}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), count(*) FILTER (WHERE id < {old}), min(id)"
            f" FROM {table} WHERE {unsealed(table).condition}{bounds}"
        )
        return UnsealedRows(*cursor.fetchone())


def sealing_lag_s() -> float:
    """Return the age in seconds of the oldest row after the last sealed one; or 0.

    Reads a row of each table, however many are unsealed. An unsealed row that has a
    smaller id than a sealed one is only found by `unsealed_rows`.
    """
    oldest = ", ".join(map(_OLDEST.format, SEALED_TABLES))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp())"
            f" - (least({oldest}) >> {SEQUENCE_BITS}) / 1000.0"
        )
        age_s = cursor.fetchone()[0]
    return max(0.0, float(age_s or 0))


def sealing_metrics() -> Iterator[Metric]:
    """Yield the lag for Prometheus."""
    yield GaugeMetricFamily(
        "lsml_sealing_lag_seconds",
        "Age of the oldest audit row in no seal",
        value=sealing_lag_s(),
    )
