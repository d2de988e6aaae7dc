"""Jobs of all kinds, for Prometheus: what waits and runs, and how attempts ended."""

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.db import connection
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from psycopg import sql

from lsml.jobs.kinds import JobKind, all_kinds
from lsml.jobs.models import Job

# By kind and state: how many jobs, and two more figures, which may be unknown.
_Figures = dict[tuple[str, str], tuple[int, float | None, float | None]]

_NONE: Final = (0, None, None)
_ENDED: Final = [each for each in Job.State if each not in Job.ACTIVE]
_NEWEST: Final = 1000  # jobs of a kind that are looked at for those that ended
# Active jobs are found by the index that the sweeper uses. There is none of when jobs
# ended: the newest ones are read instead, so the cost does not grow with the table.
_OF_KIND: Final = sql.SQL("""
(SELECT {kind}, state, count(*),
  max(extract(epoch FROM clock_timestamp()
    - CASE WHEN state = 'queued' THEN created_at ELSE started_at END))::float8,
  (max(extract(epoch FROM clock_timestamp() - lease_expires_at))
    FILTER (WHERE state = 'running'))::float8 + {lease}
FROM {table} WHERE state IN ('queued', 'running', 'lost') GROUP BY state
UNION ALL
SELECT {kind}, state, count(*),
  percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds), max(seconds)
FROM (
  SELECT state, finished_at,
    extract(epoch FROM finished_at - started_at)::float8 AS seconds
  FROM {table} ORDER BY id DESC LIMIT {newest}
) job
WHERE finished_at > now() - interval '24 hours' GROUP BY state)
""")


def job_metrics() -> Iterator[Metric]:
    """Yield how many jobs there are in each state, how old and how long; by kind."""
    found = _figures()
    yield from _active(found)
    yield from _ended(found)


def _active(found: _Figures) -> Iterator[Metric]:
    number = _gauge("lsml_jobs", "Jobs that wait or run")
    oldest = _gauge(
        "lsml_jobs_oldest_seconds",
        "Age of the oldest of them, since its request or since its attempt began",
    )
    lease = GaugeMetricFamily(
        "lsml_job_lease_age_seconds",
        "Longest time since the worker of a running job renewed its lease",
        labels=["kind"],
    )
    for kind in all_kinds():
        for state in Job.ACTIVE:
            count, age_s, _ = found.get((kind.name, state), _NONE)
            number.add_metric([kind.name, state], count)
            oldest.add_metric([kind.name, state], max(0, age_s or 0))
        _, _, lease_s = found.get((kind.name, Job.State.RUNNING), _NONE)
        lease.add_metric([kind.name], max(0, lease_s or 0))
    yield from (number, oldest, lease)


def _ended(found: _Figures) -> Iterator[Metric]:
    number = _gauge("lsml_jobs_ended_24h", "Jobs that ended in the last 24 hours")
    seconds = _gauge(
        "lsml_job_seconds_24h", "Duration of their last attempts", "quantile"
    )
    for kind in all_kinds():
        for state in _ENDED:
            count, median_s, longest_s = found.get((kind.name, state), _NONE)
            number.add_metric([kind.name, state], count)
            if median_s is not None and longest_s is not None:
                seconds.add_metric([kind.name, state, "0.5"], median_s)
                seconds.add_metric([kind.name, state, "1"], longest_s)
    yield from (number, seconds)


def _gauge(name: str, says: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, says, labels=["kind", "state", *labels])


def _figures() -> _Figures:
    """Return the figures of each kind and state that has jobs, with one statement."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(" UNION ALL ").join(map(_of_kind, all_kinds())))
        return {(kind, state): tuple(figures) for kind, state, *figures in cursor}


def _of_kind(kind: JobKind[Any]) -> sql.Composed:
    return _OF_KIND.format(
        kind=kind.name,
        table=sql.Identifier(kind.model._meta.db_table),
        newest=_NEWEST,
        lease=settings.TRAINING_LEASE_S,
    )
