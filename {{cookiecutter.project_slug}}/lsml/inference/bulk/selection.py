"""Which tasks a job is about."""

from django.db.models import Exists, OuterRef, QuerySet

from lsml.dataset.models import Annotation, Task
from lsml.inference.models import PredictionJob


def selected(job: PredictionJob) -> QuerySet[Task]:
    """Return the known tasks of a job in the order in which they are predicted."""
    tasks = Task.objects.filter(project=job.project_id, deleted_at__isnull=True)
    if job.task_ids:
        tasks = tasks.filter(task_id__in=job.task_ids)
    if job.only == PredictionJob.Only.UNLABELLED:
        annotations = Annotation.objects.trainable().filter(
            project=OuterRef("project"), task_id=OuterRef("task_id")
        )
        tasks = tasks.filter(~Exists(annotations))
    return tasks.order_by("pk")
