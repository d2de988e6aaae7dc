"""The served versions and their quality, for Prometheus."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from django.db import connection
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from lsml.quality.evaluation.models import Evaluation
from lsml.quality.statistics.intervals import mean_of_sums
from lsml.registry.models import INITIAL_VERSION
from lsml.registry.promotion_policy import COMPARING

_PROJECTS_MAX: Final = 200  # the newest; each has eleven time series
_DAYS: Final = 7

# Of each project: the last evaluation of the served version, the sums of live agreement
# by day, the last evaluation that has ended, the last promotion, and the number of the
# newest version. All are found by indexes.
_SERVED: Final = """
SELECT project.labelstudio_id, served.version, held_out.score, held_out.task_count,
  live.annotations, live.total, live.squares, coalesce(latest.held_back, false),
  extract(epoch FROM promoted.at)::float8, coalesce(newest.number, 0)
FROM registry_project AS project
LEFT JOIN registry_modelversion AS active ON active.id = project.active_version_id
CROSS JOIN LATERAL (
  SELECT coalesce(active.version, %(initial)s) AS version
) served
LEFT JOIN LATERAL (
  SELECT report->'versions'->0->'score' AS score, task_count FROM quality_evaluation
  WHERE project_id = project.id AND version_id = active.id AND verdict <> ''
    AND compared_on = %(held_out)s
  ORDER BY id DESC LIMIT 1
) held_out ON true
LEFT JOIN LATERAL (
  SELECT sum((sums->'overall'->''->>0)::float8) AS annotations,
    sum((sums->'overall'->''->>1)::float8) AS total,
    sum((sums->'overall'->''->>2)::float8) AS squares
  FROM dataset_liveagreementday
  WHERE project_id = project.id AND model_version = served.version AND day > %(after)s
) live ON true
LEFT JOIN LATERAL (
  SELECT verdict = %(held_back)s AND policy = ANY(%(comparing)s)
    AND version_id IS DISTINCT FROM active.id AS held_back
  FROM quality_evaluation
  WHERE project_id = project.id AND state <> ALL(%(active)s) ORDER BY id DESC LIMIT 1
) latest ON true
LEFT JOIN LATERAL (
  SELECT at FROM registry_promotion WHERE project_id = project.id
  ORDER BY id DESC LIMIT 1
) promoted ON true
LEFT JOIN LATERAL (
  SELECT max(number) AS number FROM registry_modelversion WHERE project_id = project.id
) newest ON true
WHERE project.archived_at IS NULL ORDER BY project.id DESC LIMIT %(projects_max)s
"""


def quality_metrics() -> Iterator[Metric]:
    """Yield them from the database."""
    held_out = _of_version("lsml_held_out_score", "Score on held-out tasks", "tasks")
    live = _of_version(
        "lsml_live_agreement", "Live agreement of seven days", "annotations"
    )
    held_back = GaugeMetricFamily(
        "lsml_version_held_back",
        "Whether the promotion policy held the version back that was evaluated last",
        labels=["project"],
    )
    promoted = GaugeMetricFamily(
        "lsml_served_version_timestamp_seconds",
        "When the served version was promoted",
        labels=["project", "version"],
    )
    versions = CounterMetricFamily(
        "lsml_versions_total", "Versions that were made", labels=["project"]
    )
    known = set()
    for project, version, score, tasks, *live_sums, is_held_back, at, number in _rows():
        if project in known:
            continue  # Label Studio reuses project IDs; the newest project counts
        known.add(project)
        labels = [str(project), version]
        if score:
            _add(held_out, labels, [*score, tasks])
        annotations, *sums = live_sums
        if annotations:
            interval = mean_of_sums(int(annotations), *sums)
            _add(live, labels, [*interval, annotations])
        held_back.add_metric(labels[:1], is_held_back)
        versions.add_metric(labels[:1], number)
        if at:
            promoted.add_metric(labels, at)
    yield from (*held_out, *live, held_back, promoted, versions)


def _of_version(name: str, says: str, counted: str) -> list[GaugeMetricFamily]:
    """Return the gauges of a figure, its interval, and what it was measured on."""
    gauges = {
        name: says,
        f"{name}_low": "Lower end of its 95 % interval",
        f"{name}_high": "Upper end of its 95 % interval",
        f"{name}_{counted}": f"The {counted} that it was measured on",
    }
    labels = ["project", "version"]
    return [GaugeMetricFamily(each, gauges[each], labels=labels) for each in gauges]


def _add(
    gauges: list[GaugeMetricFamily], labels: list[str], values: list[float]
) -> None:
    for gauge, value in zip(gauges, values, strict=True):
        gauge.add_metric(labels, value)


def _rows() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            _SERVED,
            {
                "initial": INITIAL_VERSION,
                "after": timezone.now().date() - timedelta(days=_DAYS),
                "held_out": Evaluation.ComparedOn.HELD_OUT.value,
                "held_back": Evaluation.Verdict.HELD_BACK.value,
                "comparing": [each.value for each in COMPARING],
                "active": [each.value for each in Evaluation.ACTIVE],
                "projects_max": _PROJECTS_MAX,
            },
        )
        return [
            (project, version, score and json.loads(score), *rest)
            for project, version, score, *rest in cursor
        ]
