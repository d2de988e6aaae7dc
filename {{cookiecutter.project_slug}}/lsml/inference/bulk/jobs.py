"""Bulk predictions as a kind of job, and how one is started."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.utils import timezone

from lsml.audit.job_kind import RecordedJobKind
from lsml.audit.models import AuditEntry
from lsml.inference.bulk.selection import selected
from lsml.inference.models import PredictionJob
from lsml.jobs.errors import JobRefused
from lsml.jobs.kinds import Event
from lsml.jobs.outcomes import wake_worker
from lsml.observability.origin import Origin
from lsml.registry.label_studio import SETTINGS_NEEDED, is_label_studio_configured
from lsml.registry.models import Project

TASK_IDS_MAX = 10_000  # in one request; they are kept in the row of the job


@dataclass(frozen=True, slots=True)
class Options:
    """Which tasks a job predicts.

    Attributes:
        only: those without the served version, or of these those without annotation.
        task_ids: Label Studio's IDs; empty = all tasks that are known here.
        replace: first remove the served version's predictions from Label Studio.
    """

    only: str = PredictionJob.Only.WITHOUT_THIS_VERSION
    task_ids: Sequence[int] = ()
    replace: bool = False


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
            "replace": job.replace,
        }

    def retry(self, job: PredictionJob, *, actor: str, origin: Origin) -> PredictionJob:
        """Start a job that continues where the failed or cancelled one stopped."""
        options = Options(job.only, job.task_ids, job.replace)
        return _start(
            job.project, options, Event.RETRIED, actor, origin, job.last_task_id
        )


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
        JobRefused: The project is archived, has no such tasks, or has an active job, or
            the options do not fit together.
    """
    return _start(project, options, Event.REQUESTED, actor, origin)


def _start(
    project: Project,
    options: Options,
    event: Event,
    actor: str,
    origin: Origin,
    last_task_id: int = 0,
) -> PredictionJob:
    _demand_sensible(project, options)
    now = timezone.now()
    job = PredictionJob(
        project=project,
        only=options.only,
        task_ids=list(options.task_ids),
        replace=options.replace,
        last_task_id=last_task_id,
        requested_by=actor[:200],
        created_at=now,
        notified_at=now,
    )
    job.total = selected(job).count()
    if not job.total:
        raise JobRefused(_no_tasks(project, options))
    job.done = selected(job).filter(pk__lte=last_task_id).count()
    try:
        with transaction.atomic():
            job.save()
            kind.record(job, event, actor=actor, origin=origin)
            wake_worker(job)
    except IntegrityError:  # one_active_job_per_project
        raise JobRefused("A bulk prediction of this project is under way.") from None
    return job


def _demand_sensible(project: Project, options: Options) -> None:
    if project.archived_at is not None:
        raise JobRefused(f"{project} is archived; its tasks are not predicted.")
    if len(options.task_ids) > TASK_IDS_MAX:
        raise JobRefused(f"Name at most {TASK_IDS_MAX:,} tasks at a time.")
    if not options.replace:
        return
    if options.task_ids or options.only != PredictionJob.Only.WITHOUT_THIS_VERSION:
        raise JobRefused(
            "Predictions can only be replaced in the whole project: Label Studio"
            " removes those of a version for all tasks or not at all."
        )
    if not is_label_studio_configured():
        raise JobRefused(
            "Predictions are replaced in Label Studio, which this service cannot"
            f" reach: set {SETTINGS_NEEDED}."
        )


def _no_tasks(project: Project, options: Options) -> str:
    if options != _ALL and project.tasks.filter(deleted_at__isnull=True).exists():
        return f"{project} has no such tasks here; nothing is predicted."
    return (
        f"No tasks of {project} are known here: run"
        f" `manage.py sync --project {project.labelstudio_id}` first."
    )
