"""The predictions of annotated tasks by versions that were not trained on them."""

from collections.abc import Iterator
from typing import Any, Final

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from lsml.audit.fields import first_id_at
from lsml.audit.models import Prediction
from lsml.dataset.models import Annotation, Task
from lsml.registry.models import Project

ANNOTATIONS_MAX: Final = 20_000  # examined; the newest
_AT_ONCE: Final = 100  # annotations in memory; a result may have a megabyte
_NO_NUMBER: Final = (1 << 31) - 1  # larger than that of any version
_NO_ID: Final = (1 << 63) - 1

# A version that a run made has a snapshot. If it is that of another project, from which
# the version was copied, nobody knows which of these tasks it was trained on.
# The IDs in a snapshot are ascending: those before the first wanted one, in large
# projects nearly all, are skipped by binary search (width_bucket).
_FIRST_TRAINED = """
WITH wanted AS MATERIALIZED (
  SELECT annotation_id, task_id FROM dataset_annotation
  WHERE project_id = %(project)s AND task_id = ANY(%(tasks)s)
), trained AS (
  SELECT version.number, unnest(snapshot.annotation_ids[
    width_bucket((SELECT min(annotation_id) FROM wanted), snapshot.annotation_ids):
  ]) AS annotation_id
  FROM registry_modelversion AS version
  JOIN dataset_snapshot AS snapshot
    ON snapshot.project_id = version.project_id
    AND snapshot.digest = version.snapshot_digest
  WHERE version.project_id = %(project)s
)
SELECT wanted.task_id, min(trained.number)
FROM trained JOIN wanted USING (annotation_id)
GROUP BY wanted.task_id
"""
# One look into the index by task for each of them. `before` spares it the predictions
# made since a version was trained on the task; `number` decides.
_LATEST = """
SELECT found.*
FROM unnest(%(tasks)s::bigint[], %(numbers)s::bigint[], %(before)s::bigint[])
  AS wanted(task_id, number, before)
CROSS JOIN LATERAL (
  SELECT prediction.id, prediction.task_id, prediction.model_version,
    prediction.score, prediction.result
  FROM audit_prediction AS prediction
  LEFT JOIN registry_modelversion AS version
    ON version.project_id = prediction.project_pk
    AND version.version = prediction.model_version
  WHERE prediction.task_id = wanted.task_id
    AND prediction.id < wanted.before
    AND prediction.project_pk = %(project)s
    AND prediction.outcome = 'ok'
    AND prediction.kind = ANY(%(kinds)s)
    AND coalesce(version.number, 0) < wanted.number
    AND (coalesce(version.snapshot_digest, '') = '' OR EXISTS (
      SELECT FROM dataset_snapshot AS snapshot
      WHERE snapshot.project_id = version.project_id
        AND snapshot.digest = version.snapshot_digest
    ))
  ORDER BY prediction.id DESC LIMIT 1
) AS found
"""


def annotations_of(project: Project) -> QuerySet[Annotation]:
    """Return the annotations of a project that may be trained on, of existing tasks."""
    deleted = Task.objects.filter(
        project=project, task_id=OuterRef("task_id"), deleted_at__isnull=False
    )
    return (
        Annotation.objects.trainable()
        .filter(~Exists(deleted), project=project, task_id__isnull=False)
        .order_by("-pk")
    )


def unseen_predictions(
    project: Project,
) -> Iterator[tuple[Annotation, Prediction | None]]:
    """Yield the newest annotations, each with the latest prediction that is usable.

    Usable are predictions by versions before the first that was trained on any
    annotation of the task, except interactive and shadow ones. The untrained model
    counts as a version before all others.
    """
    newest = annotations_of(project).values_list("pk", "task_id")[:ANNOTATIONS_MAX]
    keys, tasks = zip(*newest, strict=True) if newest else ((), ())
    bounds = _bounds(project, set(tasks))
    for start in range(0, len(keys), _AT_ONCE):
        chunk = Annotation.objects.in_bulk(keys[start : start + _AT_ONCE]).values()
        latest = _latest(project, {one.task_id for one in chunk}, bounds)
        for annotation in chunk:
            yield annotation, latest.get(annotation.task_id)


def _bounds(
    project: Project, tasks: set[int | None]
) -> dict[int | None, tuple[int, int]]:
    """Return for each task the first version trained on it, and the ID at that time."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_TRAINED, {"project": project.pk, "tasks": list(tasks)})
        first_trained = cursor.fetchall()
    # Read afterwards, so that it has all versions named above.
    created = dict(project.versions.values_list("number", "created_at"))
    return {
        task_id: (number, first_id_at(created[number]))
        for task_id, number in first_trained
    }


def _latest(
    project: Project,
    tasks: set[int | None],
    bounds: dict[int | None, tuple[int, int]],
) -> dict[int | None, Prediction]:
    wanted = [bounds.get(task, (_NO_NUMBER, _NO_ID)) for task in tasks]
    values: dict[str, Any] = {
        "project": project.pk,
        "kinds": list(Prediction.TASK_KINDS),
        "tasks": list(tasks),
        "numbers": [number for number, _ in wanted],
        "before": [before for _, before in wanted],
    }
    return {row.task_id: row for row in Prediction.objects.raw(_LATEST, values)}
