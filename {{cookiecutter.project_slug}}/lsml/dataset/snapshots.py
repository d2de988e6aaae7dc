"""Reads the dataset for a training run and records exactly what was read."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from label_studio_ml.training import AnnotatedTask
from lsml.audit.services import digest_of
from lsml.dataset.annotated import annotated_tasks
from lsml.dataset.holdout import is_held_out, percent_in_force
from lsml.dataset.merge import content
from lsml.dataset.models import Annotation, Snapshot
from lsml.dataset.tables import ANNOTATIONS
from lsml.labelstudio.task_json import AnnotationState
from lsml.registry.models import Project

DIGEST_BYTES: Final = 8  # of each annotation


@dataclass(frozen=True, slots=True)
class TrainingInputs:
    """The tasks that a run trains on, those held out, and the record of both."""

    tasks: list[AnnotatedTask]
    held_out: list[AnnotatedTask]
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class RecordedAnnotations:
    """Annotations and their states, as three columns of a snapshot record them."""

    ids: Sequence[int] = ()  # Label Studio's, ascending
    updates: Sequence[datetime] = ()  # when each was updated
    digests: bytes = field(default=b"", repr=False)  # `annotation_digest` of each

    @classmethod
    def of(cls, rows: Sequence[Annotation]) -> "RecordedAnnotations":
        """Record annotations as they are."""
        return cls(
            [row.annotation_id for row in rows],
            [row.updated_at for row in rows],
            b"".join(annotation_digest(ANNOTATIONS.state_of(row)) for row in rows),
        )

    def __iter__(self) -> Iterator[tuple[int, datetime, bytes]]:
        starts = range(0, len(self.digests), DIGEST_BYTES)
        digests = (self.digests[start : start + DIGEST_BYTES] for start in starts)
        return zip(self.ids, self.updates, digests, strict=False)

    @property
    def complete(self) -> bool:
        """Whether the three columns are equally long."""
        lengths = {
            len(self.ids),
            len(self.updates),
            len(self.digests) / DIGEST_BYTES,
        }
        return len(lengths) == 1


def trained_on(snapshot: Snapshot) -> RecordedAnnotations:
    """Return the annotations that a snapshot's runs trained on."""
    return RecordedAnnotations(
        snapshot.annotation_ids,
        snapshot.annotation_updates,
        bytes(snapshot.annotation_digests),
    )


def held_out_of(snapshot: Snapshot) -> RecordedAnnotations:
    """Return the annotations of the tasks that a snapshot holds out."""
    return RecordedAnnotations(
        snapshot.held_out_ids,
        snapshot.held_out_updates,
        bytes(snapshot.held_out_digests),
    )


def take_snapshot(project: Project, *, hold_out: bool = True) -> TrainingInputs:
    """Read every annotation that may be trained on, and split it by task.

    Call inside `writing`, so that nothing changes meanwhile. Runs that see the same
    annotations in the same state share one snapshot.

    Args:
        project: The project.
        hold_out: Whether its hold-out applies. If not, all tasks are trained on.
    """
    rows = list(
        Annotation.objects.filter(project=project).trainable().order_by("annotation_id")
    )
    tasks = annotated_tasks(project, rows)
    percent = percent_in_force(project, len(tasks)) if hold_out else 0
    held = {
        task_id
        for task_id in {row.task_id for row in rows}
        if task_id is not None and is_held_out(project.pk, task_id, percent)
    }
    kept_rows = [row for row in rows if row.task_id not in held]
    trained = RecordedAnnotations.of(kept_rows)
    held_out = RecordedAnnotations.of([row for row in rows if row.task_id in held])
    held_out_tasks = [task for task in tasks if task.id in held]
    snapshot, _ = Snapshot.objects.get_or_create(
        project=project,
        digest=snapshot_digest(trained, held_out, percent),
        defaults={
            "annotation_ids": trained.ids,
            "annotation_updates": trained.updates,
            "annotation_digests": trained.digests,
            "task_count": len(tasks) - len(held_out_tasks),
            "label_counts": _label_counts(kept_rows),
            "holdout_percent": percent,
            "held_out_ids": held_out.ids,
            "held_out_updates": held_out.updates,
            "held_out_digests": held_out.digests,
            "held_out_task_count": len(held_out_tasks),
            "created_at": timezone.now(),
        },
    )
    return TrainingInputs(
        tasks=[task for task in tasks if task.id not in held],
        held_out=held_out_tasks,
        snapshot=snapshot,
    )


def annotation_digest(state: AnnotationState) -> bytes:
    """Return the first 8 bytes of the SHA-256 of an annotation, without its dates."""
    return bytes.fromhex(digest_of(content(state)))[:DIGEST_BYTES]


def snapshot_digest(
    trained: RecordedAnnotations, held_out: RecordedAnnotations, percent: int
) -> str:
    """Return the SHA-256 (hex) of a snapshot's annotations.

    A line per annotation trained on; then the percentage and a line per annotation held
    out, if there is a hold-out.
    """
    found = hashlib.sha256()
    _add(found, trained)
    if percent or held_out.ids:
        found.update(f"held out {percent}\n".encode())
        _add(found, held_out)
    return found.hexdigest()


def _add(digest: Any, annotations: RecordedAnnotations) -> None:
    for annotation_id, updated_at, content_digest in annotations:
        line = f"{annotation_id} {updated_at.timestamp():.6f} {content_digest.hex()}\n"
        digest.update(line.encode())


def _label_counts(rows: Iterable[Annotation]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(set(labels_in(row.result)))  # counts annotations, not regions
    return dict(counts.most_common())


def labels_in(regions: Iterable[Any]) -> Iterator[str]:
    """Yield the labels, which a region keeps under its type: `choices`, `labels`, …."""
    for region in regions:
        if not isinstance(region, dict) or not isinstance(region.get("value"), dict):
            continue
        named = region["value"].get(str(region.get("type")))
        for label in named if isinstance(named, list) else []:
            if isinstance(label, str):
                yield label
            elif isinstance(label, list):  # taxonomy: a path
                yield " / ".join(map(str, label))
