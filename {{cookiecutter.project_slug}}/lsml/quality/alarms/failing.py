"""Finds versions whose latest predictions failed, without reading all predictions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from lsml.audit.fields import first_id_at
from lsml.registry.models import Project

_RECENT: Final = timedelta(minutes=10)
_LATEST_MAX: Final = 200  # predictions of a version that are looked at
_ERRORS_MAX: Final = 1_000  # of all projects, to find the versions that have any

# The index of errors finds the versions; then the latest rows of each are read. Only
# rows of ten minutes are touched. Counts by the hour say nothing at a full hour.
_FAILING: Final = """
WITH failing AS (
  SELECT DISTINCT project_pk, model_version FROM (
    SELECT project_pk, model_version FROM audit_prediction
    WHERE outcome = 'error' AND id >= %(since)s AND kind <> 'shadow'
    AND project_pk IS NOT NULL
    ORDER BY id DESC LIMIT %(errors_max)s
  ) latest_errors
)
SELECT project_pk, model_version, count(*), count(*) FILTER (WHERE outcome = 'error')
FROM failing CROSS JOIN LATERAL (
  SELECT outcome FROM audit_prediction AS each
  WHERE each.project_pk = failing.project_pk
  AND each.model_version = failing.model_version
  AND id >= %(since)s AND kind <> 'shadow'
  ORDER BY id DESC LIMIT %(latest_max)s
) latest
GROUP BY project_pk, model_version ORDER BY project_pk, model_version
"""


@dataclass(frozen=True, slots=True)
class FailingVersion:
    """A version with errors among its latest predictions."""

    project: Project
    version: str
    predictions: int  # the latest ones: of 10 minutes, and at most 200
    errors: int  # of these


def failing_predictions(now: datetime) -> Iterator[FailingVersion]:
    """Yield the versions that failed on a task in the last ten minutes."""
    with connection.cursor() as cursor:
        cursor.execute(
            _FAILING,
            {
                "since": first_id_at(now - _RECENT),
                "errors_max": _ERRORS_MAX,
                "latest_max": _LATEST_MAX,
            },
        )
        found = cursor.fetchall()
    projects = (
        Project.objects.filter(archived_at=None)
        .only("title", "labelstudio_id")
        .in_bulk({project_pk for project_pk, *_ in found})
    )
    for project_pk, version, predictions, errors in found:
        if project := projects.get(project_pk):
            yield FailingVersion(project, version, predictions, errors)
