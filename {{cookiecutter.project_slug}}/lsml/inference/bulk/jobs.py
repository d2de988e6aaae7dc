"""Bulk predictions as a kind of job, and how one is started."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from lsml.audit.job_kind import RecordedJobKind
from lsml.audit.models import AuditEntry
from lsml.inference.bulk.selection import selected
from lsml.inference.models import PredictionJob, ViewedTasks
from lsml.jobs.errors import JobRefused
from lsml.jobs.kinds import Event
from lsml.jobs.outcomes import wake_worker
from lsml.observability.origin import Origin
from lsml.registry.following import is_followed, wake_follower
from lsml.registry.label_studio import SETTINGS_NEEDED
from lsml.registry.models import Project

TASK_IDS_MAX = 10_000  # in one request; they are kept in the row of the job
NEEDS_LABEL_STUDIO = (
    "Views, and the removal of predictions, need access to Label Studio: set"
    f" {SETTINGS_NEEDED}."
)


@dataclass(frozen=True, slots=True)
class Options:
    """Which tasks a job predicts.

    Attributes:
        only: those without the served version, or of these those without annotation.
        task_ids: Label Studio's IDs; empty = all tasks that are known here.
        view: of these, the tasks that match the filters of this view of Label Studio's
            data manager when the job begins; None = all.
        replace: first remove the served version's predictions from Label Studio.
        delete_older: when all predictions are sent, remove those of this service's
            older versions, unless a task would lose its only prediction.
    """

    only: str = PredictionJob.Only.WITHOUT_THIS_VERSION
    task_ids: Sequence[int] = ()
    view: int | None = None
    replace: bool = False
    delete_older: bool = False


_ALL = Options()


class PredictionKind(RecordedJobKind[PredictionJob]):
    """Bulk predictions as a kind of job."""

    name = "prediction"
    model = PredictionJob
    task = "lsml.inference.tasks.predict_all"
    resumes = True
    noun = "prediction job"
    verbs: ClassVar = {
        Event.REQUESTED: AuditEntry.Verb.BULK_REQUESTED,
        Event.RETRIED: AuditEntry.Verb.BULK_RETRIED,
        Event.CANCELLED: AuditEntry.Verb.BULK_CANCELLED,
    }

    def detail(self, job: PredictionJob) -> dict[str, Any]:
        """Return the number of all tasks and of those done, and the options."""
        return {
            "tasks": job.total,
            "done": job.done,
            "only": job.only,
            "view": job.view,
            "replace": job.replace,
            "delete_older": job.delete_older,
        }

    def on_end(self, job: PredictionJob) -> None:
        """Forget the tasks of the view, and wake what follows the served version."""
        # Only another attempt would need them.
        if job.state == job.State.SUCCEEDED:
            ViewedTasks.objects.filter(job=job).delete()
        if is_followed(job.project):
            wake_follower(job.project)

    def retry(self, job: PredictionJob, *, actor: str, origin: Origin) -> PredictionJob:
        """Start a job that continues where the failed or cancelled one stopped.

        If that one left tasks behind, they are tried again. Tasks whose predictions are
        in Label Studio are not predicted once more.
        """
        options = Options(
            job.only, job.task_ids, job.view, job.replace, job.delete_older
        )
        return _start(job.project, options, Event.RETRIED, actor, origin, job)


kind = PredictionKind()


def start_job(
    *, project: Project, actor: str, origin: Origin, options: Options = _ALL
) -> PredictionJob:
    """Queue a prediction of known tasks, and wake a worker after the commit.

    Args:
        project: The project whose tasks are predicted.
        actor: User name, or the command.
        origin: Of the request.
        options: Which of its tasks.

    Raises:
        JobRefused: The project is archived, no tasks or none of those named are known,
            it has an active job, or the options do not fit together.
    """
    return _start(project, options, Event.REQUESTED, actor, origin)


def _start(
    project: Project,
    options: Options,
    event: Event,
    actor: str,
    origin: Origin,
    earlier: PredictionJob | None = None,
) -> PredictionJob:
    now = timezone.now()
    # After an earlier job it continues, or begins again if that left tasks behind.
    goes_on = earlier is not None and not earlier.lacking
    job = PredictionJob(
        project=project,
        only=options.only,
        task_ids=list(options.task_ids),
        view=options.view,
        replace=options.replace,
        delete_older=options.delete_older,
        last_task_id=earlier.last_task_id if earlier and goes_on else 0,
        requested_by=actor[:200],
        created_at=now,
        notified_at=now,
    )
    _demand_sensible(job)
    _demand_known_tasks(job)
    try:
        with transaction.atomic():
            job.save()
            if earlier is not None:
                _keep_view(job, earlier)
            job.total = selected(job).count()
            job.done = selected(job).filter(pk__lte=job.last_task_id).count()
            job.save(update_fields=["total", "done"])
            kind.record(job, event, actor=actor, origin=origin)
            wake_worker(job)
    except IntegrityError:  # one_active_job_per_project
        raise JobRefused("A bulk prediction of this project is under way.") from None
    return job


def _keep_view(job: PredictionJob, earlier: PredictionJob) -> None:
    viewed = ViewedTasks.objects.filter(job=earlier).first()
    if viewed:
        ViewedTasks.objects.create(job=job, task_ids=viewed.task_ids)


def _demand_sensible(job: PredictionJob) -> None:
    if job.project.archived_at is not None:
        raise JobRefused(f"{job.project} is archived; its tasks are not predicted.")
    if len(job.task_ids) > TASK_IDS_MAX:
        raise JobRefused(f"Name at most {TASK_IDS_MAX:,} tasks at a time.")
    # The workers have the key; web has none in containers.
    if job.needs_label_studio and not settings.LABEL_STUDIO_URL:
        raise JobRefused(NEEDS_LABEL_STUDIO)
    is_part = job.only != job.Only.WITHOUT_THIS_VERSION or job.view is not None
    if job.replace and (job.task_ids or is_part):
        raise JobRefused(
            "Predictions can only be replaced in the whole project: Label Studio"
            " removes those of a version for all tasks or not at all."
        )


def _demand_known_tasks(job: PredictionJob) -> None:
    known = job.project.tasks.known()
    if not known.exists():
        raise JobRefused(
            f"No tasks of {job.project} are known here: run"
            f" `manage.py sync --project {job.project.labelstudio_id}` first."
        )
    if job.task_ids and not known.filter(task_id__in=job.task_ids).exists():
        raise JobRefused(f"{job.project} has no such tasks here; nothing is predicted.")
