"""Writes many made-up predictions, to try lists with data and to measure growth."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.db import connection

from lsml.audit.partitions import analyze, make_partitions

REQUEST_PREFIX: Final = "seed-"  # of the request ids of made-up rows
_CHUNK: Final = 50_000  # rows per statement

# Ten tasks per request. One row in a hundred is an error, four are empty. Eight
# versions follow each other.
_INSERT: Final = """
INSERT INTO audit_prediction (id, request_id, client, project_pk, created_at, task_id,
  model_version, kind, outcome, score, result, input_digest, latency_ms, batch_size,
  error)
SELECT (at << 12) | (g & 4095), %(prefix)s || md5((g / 10)::text),
  'labelstudio 10.0.0.7', (%(projects)s::bigint[])[1 + g / 10 %% %(project_count)s],
  to_timestamp(at / 1000.0), 1 + (g * 7919) %% 1000000,
  'v' || 1 + g * 8 / %(total)s,
  CASE WHEN g %% 20 = 0 THEN 'interactive' ELSE 'batch' END, outcome,
  CASE outcome WHEN 'ok' THEN round((1 - random() ^ 3 / 2)::numeric, 4)::float8 END,
  CASE outcome WHEN 'ok' THEN jsonb_build_array(jsonb_build_object(
    'from_name', 'sentiment', 'to_name', 'text', 'type', 'choices',
    'value', jsonb_build_object('choices', jsonb_build_array(
      CASE WHEN g %% 3 = 0 THEN 'Negative' ELSE 'Positive' END)))) END,
  encode(sha256(g::text::bytea), 'hex'), round((2 + 40 * random() ^ 4)::numeric, 3), 10,
  CASE outcome WHEN 'error' THEN 'predict() raised ValueError: made up' ELSE '' END
FROM (
  SELECT g, %(since_ms)s + (g * %(span_ms)s / %(total)s)::bigint AS at,
    CASE WHEN g %% 100 = 0 THEN 'error' WHEN g %% 25 = 1 THEN 'empty' ELSE 'ok' END
      AS outcome
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) g
) made
"""


def seed_predictions(
    *,
    number: int,
    projects: list[int],
    since: datetime,
    until: datetime,
    progress: Callable[[int], object] = lambda rows: None,
) -> None:
    """Write made-up predictions, spread evenly over a time range.

    They cannot be deleted again: the table is append-only.

    Args:
        number: rows to write, about 50 000 per second.
        projects: keys of the registry; requests are spread over them.
        since: aware; the oldest row's time. Missing partitions are made.
        until: aware; the newest row's time, not in the future.
        progress: called with the number of rows written since its last call.
    """
    make_partitions(since=since, until=until)
    facts: dict[str, Any] = {
        "prefix": REQUEST_PREFIX,
        "projects": projects,
        "project_count": len(projects),
        "since_ms": round(since.timestamp() * 1000),
        "span_ms": round((until - since).total_seconds() * 1000),
        "total": number,
    }
    for first in range(0, number, _CHUNK):
        last = min(first + _CHUNK, number) - 1
        with connection.cursor() as cursor:
            cursor.execute(_INSERT, {**facts, "first": first, "last": last})
        progress(last - first + 1)
    analyze()
