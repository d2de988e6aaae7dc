"""A project whose tasks are predicted, annotated and trained on, step by step."""

import struct
from datetime import timedelta

from django.utils import timezone

from lsml.dataset.models import Annotation, Snapshot, Task
from lsml.registry.models import ModelVersion, Project
from lsml.training.models import OutOfSample
from tests.db.audit.rows import predict

CONFIG = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="topic" toName="text">'
    '<Choice value="Refund"/><Choice value="Billing"/></Choices></View>'
)


def choice(label, **more):
    region = {"from_name": "topic", "to_name": "text", "type": "choices"}
    return [region | {"value": {"choices": [label]}} | more]


class History:
    """What happened to a project."""

    def __init__(self, labelstudio_id=7):
        self.project = Project.objects.create(
            labelstudio_id=labelstudio_id,
            label_config=CONFIG,
            hostname="http://ls.example",
        )

    def predict(self, task_id, label, score=0.9, version="0.0.1", **facts):
        given = {"result": choice(label, score=score), "score": 0.0}
        return predict(
            project_pk=self.project.pk,
            task_id=task_id,
            model_version=version,
            **given | facts,
        )[0]

    def annotate(self, task_id, label, annotation_id=None, **facts):
        """Annotate a task; its annotation has 100 times its number."""
        now = timezone.now()
        Task.objects.get_or_create(
            project=self.project,
            task_id=task_id,
            defaults={"data": {"text": f"text {task_id}"}, "updated_at": now},
        )
        return Annotation.objects.create(
            project=self.project,
            annotation_id=annotation_id or 100 * task_id,
            task_id=task_id,
            updated_at=now,
            **{"result": choice(label), "completed_by": 3} | facts,
        )

    def annotate_all(self, labels):
        """Annotate tasks, given by their labels, as `annotate` does one."""
        now = timezone.now()
        Task.objects.bulk_create(
            Task(
                project=self.project,
                task_id=task_id,
                data={"text": f"text {task_id}"},
                updated_at=now,
            )
            for task_id in labels
        )
        Annotation.objects.bulk_create(
            Annotation(
                project=self.project,
                annotation_id=100 * task_id,
                task_id=task_id,
                updated_at=now,
                result=choice(label),
                completed_by=3,
            )
            for task_id, label in labels.items()
        )

    def train(self, *annotation_ids, held_out=(), seconds=1):
        """Make a version of these annotations, created so many seconds from now.

        Not now: rows written within the same millisecond have no order.
        """
        now = timezone.now()
        number = self.project.versions.count() + 1
        snapshot = Snapshot.objects.create(
            project=self.project,
            digest=f"{number:064}",
            annotation_ids=list(annotation_ids),
            annotation_updates=[now] * len(annotation_ids),
            annotation_digests=b"",
            task_count=len(annotation_ids),
            holdout_percent=15 if held_out else 0,
            held_out_ids=list(held_out),
            held_out_updates=[now] * len(held_out),
            held_out_task_count=len(held_out),
            created_at=now,
        )
        at = now + timedelta(seconds=seconds)
        return self.version(number, snapshot.digest, at, len(held_out))

    def version(self, number, snapshot_digest, at, held_out_tasks=0):
        return ModelVersion.objects.create(
            project=self.project,
            number=number,
            version=f"v{number}",
            snapshot_digest=snapshot_digest,
            held_out_tasks=held_out_tasks,
            created_at=at,
        )

    def agree(self, tasks, version="v1"):
        """Tasks whose annotation is what the model predicted before."""
        for task_id in tasks:
            label = ("Refund", "Billing")[task_id % 2]
            self.predict(task_id, label, 0.8, version)
            self.annotate(task_id, label)

    def cross_validate(self, rows, version="v7", control="topic"):
        """What a training reported: how probable Refund is, by task."""
        made = ModelVersion.objects.create(
            project=self.project, number=7, version=version, created_at=timezone.now()
        )
        numbers = [p for refund in rows.values() for p in (1 - refund, refund)]
        return OutOfSample.objects.create(
            project=self.project,
            version=made,
            control=control,
            labels=["Billing", "Refund"],
            task_ids=list(rows),
            probabilities=struct.pack(f"<{len(numbers)}f", *numbers),
        )
