"""Counts per hour, for the dashboard: kept with each seal, read at a glance.

A row is counted in the transaction that seals it, so it is counted once. What is
younger than the last seal (seconds) is not counted yet.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import connection
from django.db.models import QuerySet, Sum

from lsml.audit.models import EventHour, Prediction, PredictionHour

# Bucket b holds latencies from LATENCY_BOUNDS_MS[b - 1] up to LATENCY_BOUNDS_MS[b]:
# each is 1.25 times the one before, so a percentile is right within a tenth or so.
LATENCY_BOUNDS_MS: Final = tuple(round(0.1 * 1.25**step, 4) for step in range(64))

_COUNT: Final = {
    "audit_prediction": """
        INSERT INTO audit_predictionhour AS h
          (hour, project_id, model_version, kind, outcome, latency_bucket, count)
        SELECT date_trunc('hour', created_at, 'UTC'), project_id, model_version, kind,
               outcome, width_bucket(latency_ms, %s::float8[]), count(*)
        FROM audit_prediction WHERE {condition} GROUP BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (hour, project_id, model_version, kind, outcome, latency_bucket)
        DO UPDATE SET count = h.count + excluded.count""",
    "audit_webhookevent": """
        INSERT INTO audit_eventhour AS h (hour, project_id, action, count)
        SELECT date_trunc('hour', received_at, 'UTC'), project_id, action, count(*)
        FROM audit_webhookevent WHERE {condition} GROUP BY 1, 2, 3
        ON CONFLICT (hour, project_id, action)
        DO UPDATE SET count = h.count + excluded.count""",
}


def count(table: str, condition: str) -> None:
    """Add the rows of a seal; other tables than the two above are not counted."""
    if statement := _COUNT.get(table):
        arguments = [list(LATENCY_BOUNDS_MS)] if "%s" in statement else []
        with connection.cursor() as cursor:
            cursor.execute(statement.format(condition=condition), arguments)


@dataclass(slots=True)
class PredictionCounts:
    """Predictions of some hours, by outcome, and how long they took."""

    ok: int = 0
    empty: int = 0
    error: int = 0
    _latencies: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def total(self) -> int:
        """All outcomes."""
        return self.ok + self.empty + self.error

    def percentile_ms(self, share: float) -> float | None:
        """The latency that `share` (0 to 1) of the predictions did not exceed.

        Interpolated within a bucket; None without predictions. The latency is that
        of the whole request, so a request counts as often as it had tasks.
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
        """Add counted rows."""
        setattr(self, outcome, getattr(self, outcome) + count)
        self._latencies[bucket] += count


def predictions_by_hour(
    *, since: datetime, until: datetime, project_id: int | None = None
) -> dict[datetime, PredictionCounts]:
    """Counts of sent predictions per full hour (UTC), oldest first; empty hours miss.

    Args:
        since: aware; the hour it lies in is included.
        until: aware; excluded.
        project_id: the registry's key; None = all projects.
    """
    hours: dict[datetime, PredictionCounts] = {}
    rows = _sent(since, until, project_id).order_by("hour")
    for hour, outcome, bucket, number in rows.values_list(
        "hour", "outcome", "latency_bucket"
    ).annotate(number=Sum("count")):
        hours.setdefault(hour, PredictionCounts()).add(outcome, bucket, number)
    return hours


def predictions_by_version(
    *, since: datetime, until: datetime, project_id: int | None = None
) -> dict[tuple[int | None, str], PredictionCounts]:
    """Counts of sent predictions by (project, model version); as above."""
    versions: dict[tuple[int | None, str], PredictionCounts] = {}
    for project, version, outcome, bucket, number in (
        _sent(since, until, project_id)
        .values_list("project_id", "model_version", "outcome", "latency_bucket")
        .annotate(number=Sum("count"))
    ):
        key = (project, version)
        versions.setdefault(key, PredictionCounts()).add(outcome, bucket, number)
    return versions


def events_by_hour(
    *, since: datetime, until: datetime, project_id: int | None = None
) -> dict[datetime, dict[str, int]]:
    """Webhook events per full hour (UTC) and action, oldest first; as above."""
    rows = EventHour.objects.filter(hour__gte=_hour_of(since), hour__lt=until)
    if project_id is not None:
        rows = rows.filter(project_id=project_id)
    hours: dict[datetime, dict[str, int]] = {}
    counts: Iterable[tuple[datetime, str, int]] = (
        rows.order_by("hour")
        .values_list("hour", "action")
        .annotate(number=Sum("count"))
    )
    for hour, action, number in counts:
        hours.setdefault(hour, {})[action] = number
    return hours


def _sent(
    since: datetime, until: datetime, project_id: int | None
) -> QuerySet[PredictionHour]:
    """Without shadow predictions, which nobody was waiting for."""
    rows = PredictionHour.objects.filter(
        hour__gte=_hour_of(since), hour__lt=until
    ).exclude(kind=Prediction.Kind.SHADOW)
    return rows if project_id is None else rows.filter(project_id=project_id)


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
