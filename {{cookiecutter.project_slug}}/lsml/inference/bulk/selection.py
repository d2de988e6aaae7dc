"""Which tasks a job is about."""

from functools import partial

from django.db.models import Func, QuerySet

from lsml.dataset.models import Task
from lsml.inference.models import PredictionJob, ViewedTasks
from lsml.jobs.running import RunningJob
from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.task_listing import TaskListing


def selected(job: PredictionJob) -> QuerySet[Task]:
    """Return the known tasks of a job in the order in which they are predicted."""
    tasks = Task.objects.known().filter(project=job.project_id)
    if job.task_ids:
        tasks = tasks.filter(task_id__in=job.task_ids)
    if job.view is not None:
        viewed = ViewedTasks.objects.filter(job=job.pk)
        in_view = viewed.values(task_id=Func("task_ids", function="unnest"))
        tasks = tasks.filter(task_id__in=in_view)
    if job.only == PredictionJob.Only.UNLABELLED:
        tasks = tasks.unlabelled()
    return tasks.order_by("pk")


def look_at_view(running: RunningJob[PredictionJob], studio: LabelStudio) -> None:
    """Keep which tasks the view of a job shows, unless an earlier attempt did.

    Raises:
        NoSuchView: The project has no such view in Label Studio.
    """
    job = running.job
    if job.view is None:
        return
    if not ViewedTasks.objects.filter(job=job).exists():
        job.message = f"asking Label Studio for the tasks of view {job.view}"
        running.save()
        job.message = ""
        listing = TaskListing(studio, job.project.labelstudio_id)
        shown = sorted(listing.in_view(job.view))
        running.log(f"View {job.view} shows {len(shown):,} tasks.")
        viewed = ViewedTasks(job=job, task_ids=shown)
        running.save(also=partial(viewed.save, force_insert=True))
    job.total = selected(job).count()
    running.log(f"{job.total:,} tasks of the view are selected and known here.")
