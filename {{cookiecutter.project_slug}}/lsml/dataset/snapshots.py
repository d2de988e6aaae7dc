"""Reads the dataset for a training run and records exactly what was read."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from label_studio_ml.training import AnnotatedTask
from lsml.audit.services import digest_of
from lsml.dataset.merge import content
from lsml.dataset.models import Annotation, Snapshot
from lsml.dataset.tables import ANNOTATIONS
from lsml.labelstudio.task_json import AnnotationState
from lsml.registry.models import Project

DIGEST_BYTES: Final = 8  # of each annotation


@dataclass(frozen=True, slots=True)
class TrainingInputs:
    """The tasks that a run trains on, and the record of them."""

    tasks: list[AnnotatedTask]
    snapshot: Snapshot


def take_snapshot(project: Project) -> TrainingInputs:
    """Read everything that may be trained on.

    Call inside `writing`, so that nothing changes meanwhile. Runs that see the same
    annotations in the same state share one snapshot.
    """
    rows = list(
        Annotation.objects.filter(project=project).trainable().order_by("annotation_id")
    )
    tasks = _annotated_tasks(project, rows)
    ids = [row.annotation_id for row in rows]
    updates = [row.updated_at for row in rows]
    digests = b"".join(annotation_digest(ANNOTATIONS.state_of(row)) for row in rows)
    snapshot, _ = Snapshot.objects.get_or_create(
        project=project,
        digest=snapshot_digest(ids, updates, digests),
        defaults={
            "annotation_ids": ids,
            "annotation_updates": updates,
            "annotation_digests": digests,
            "task_count": len(tasks),
            "label_counts": _label_counts(rows),
            "created_at": timezone.now(),
        },
    )
    return TrainingInputs(tasks=tasks, snapshot=snapshot)


def _annotated_tasks(
    project: Project, rows: Iterable[Annotation]
) -> list[AnnotatedTask]:
    by_task: dict[int, list[Annotation]] = defaultdict(list)
    for row in sorted(rows, key=lambda each: each.updated_at):  # oldest first
        if row.task_id is not None:
            by_task[row.task_id].append(row)
    return [
        AnnotatedTask(
            id=task.task_id,
            data=task.data,
            meta=task.meta,
            annotations=[_as_json(row) for row in by_task[task.task_id]],
        )
        for task in project.tasks.filter(
            task_id__in=list(by_task), deleted_at__isnull=True
        ).order_by("task_id")
    ]


def _as_json(row: Annotation) -> dict[str, Any]:
    return {
        "id": row.annotation_id,
        "task": row.task_id,
        "result": row.result,
        "was_cancelled": row.was_cancelled,
        "ground_truth": row.ground_truth,
        "completed_by": row.completed_by,
        "lead_time": row.lead_time,
        "parent_prediction": row.parent_prediction,
        "created_at": row.created_at and row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
    }


def annotation_digest(state: AnnotationState) -> bytes:
    """Return the first 8 bytes of the SHA-256 of an annotation, without its dates."""
    return bytes.fromhex(digest_of(content(state)))[:DIGEST_BYTES]


def snapshot_digest(
    ids: Iterable[int], updates: Iterable[datetime], digests: bytes
) -> str:
    """Return the SHA-256 (hex) of a snapshot's annotations.

    Args:
        ids: Label Studio's, ascending.
        updates: When each was updated, in that order.
        digests: The `annotation_digest` of each, in that order.
    """
    found = hashlib.sha256()
    for number, (annotation_id, updated_at) in enumerate(
        zip(ids, updates, strict=True)
    ):
        digest = digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES]
        line = f"{annotation_id} {updated_at.timestamp():.6f} {digest.hex()}\n"
        found.update(line.encode())
    return found.hexdigest()


def _label_counts(rows: Iterable[Annotation]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(set(_labels(row.result)))  # counts annotations, not regions
    return dict(counts.most_common())


def _labels(regions: list[Any]) -> Iterator[str]:
    """Yield the labels, which a region keeps under its type: `choices`, `labels`, …."""
    for region in regions:
        if not isinstance(region, dict) or not isinstance(region.get("value"), dict):
            continue
        named = region["value"].get(region.get("type"))
        for label in named if isinstance(named, list) else []:
            if isinstance(label, str):
                yield label
            elif isinstance(label, list):  # taxonomy: a path
                yield " / ".join(map(str, label))
