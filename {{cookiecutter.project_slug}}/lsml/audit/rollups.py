"""Counts rows per hour, for the charts of the console.

A row is counted in the transaction that seals it, so it is counted once. Rows written
since the last seal, some seconds ago, are not counted yet.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from django.db import connection

# Bucket b holds latencies from LATENCY_BOUNDS_MS[b - 1] up to LATENCY_BOUNDS_MS[b].
# Each bound is 1.25 times the previous one, so percentiles are off by a tenth at most.
LATENCY_BOUNDS_MS: Final = tuple(round(0.1 * 1.25**step, 4) for step in range(64))
_BOUNDS: Final = f"ARRAY{[*LATENCY_BOUNDS_MS]}::float8[]"  # for SQL


@dataclass(frozen=True, slots=True)
class HourlyCounts:
    """A table of counts, and how its key is read from a row of the audit table."""

    table: str
    key: dict[str, str]  # column -> SQL over the audit table

    @property
    def columns(self) -> str:
        """The columns of the key, for SQL."""
        return ", ".join(self.key)

    def recount(self, audit_table: str, condition: str) -> str:
        """Return SQL for the key and the number of the rows that match."""
        key = ", ".join(f"{value} AS {name}" for name, value in self.key.items())
        positions = ", ".join(str(at) for at in range(1, len(self.key) + 1))
        return (
            f"SELECT {key}, count(*) AS count FROM {audit_table}"
            f" WHERE {condition} GROUP BY {positions}"
        )


HOURLY_COUNTS: Final = {
    "audit_prediction": HourlyCounts(
        "audit_predictionhour",
        {
            "hour": "date_trunc('hour', created_at, 'UTC')",
            "project_pk": "project_pk",
            "model_version": "model_version",
            "kind": "kind",
            "outcome": "outcome",
            "latency_bucket": f"width_bucket(latency_ms, {_BOUNDS})",
        },
    ),
    "audit_webhookevent": HourlyCounts(
        "audit_eventhour",
        {
            "hour": "date_trunc('hour', received_at, 'UTC')",
            "project_pk": "project_pk",
            "action": "action",
        },
    ),
}


def count(table: str, condition: str) -> None:
    """Count the rows that match, if they are predictions or webhook events.

    Args:
        table: One of SEALED_TABLES; others than those two are ignored.
        condition: SQL for the rows, from `Window.condition`.
    """
    if hourly := HOURLY_COUNTS.get(table):
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {hourly.table} AS h ({hourly.columns}, count)"
                f" {hourly.recount(table, condition)}"
                f" ON CONFLICT ({hourly.columns})"
                " DO UPDATE SET count = h.count + excluded.count"
            )


@dataclass(slots=True)
class PredictionCounts:
    """Predictions of some hours by outcome, and their latencies."""

    ok: int = 0
    empty: int = 0
    error: int = 0
    _latencies: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def total(self) -> int:
        """All outcomes."""
        return self.ok + self.empty + self.error

    def percentile_ms(self, share: float) -> float | None:
        """Return the latency that `share` (0 to 1) of the predictions did not exceed.

        Interpolated within a bucket; None without predictions. Each prediction has the
        latency of its whole request, so a request counts once per task.
        """
        wanted, seen = share * self.total, 0
        for bucket in sorted(self._latencies):
            here = self._latencies[bucket]
            if seen + here >= wanted:
                low = LATENCY_BOUNDS_MS[bucket - 1] if bucket else 0.0
                high = LATENCY_BOUNDS_MS[min(bucket, len(LATENCY_BOUNDS_MS) - 1)]
                return low + (high - low) * (wanted - seen) / here
            seen += here
        return None

    def add(self, outcome: str, bucket: int, count: int) -> None:
        """Add `count` predictions with that outcome and latency bucket."""
        setattr(self, outcome, getattr(self, outcome) + count)
        self._latencies[bucket] += count
