"""Bulk predictions: all known tasks of a project, in a worker, in steps.

Label Studio's "Retrieve predictions" sends a whole project in one request, which times
out after 100 s. A job has no time limit, and resumes where it was interrupted.
"""

import time
from collections.abc import Callable
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from lsml.audit.job_kind import RecordedJobKind
from lsml.audit.models import AuditEntry, Prediction
from lsml.dataset.models import Task
from lsml.inference.errors import ModelBusy, ModelCrashed, ModelError, ModelTimedOut
from lsml.inference.models import PredictionJob
from lsml.inference.services import Predicted, predict
from lsml.jobs.errors import JobFailed, JobRefused, storable
from lsml.jobs.kinds import Event
from lsml.jobs.outcomes import job_origin, wake_worker
from lsml.jobs.running import RunningJob, run_job
from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.failures import LabelStudioError
from lsml.labelstudio.requests import PredictRequest
from lsml.model_process.errors import ModelProcessUnavailable
from lsml.observability.origin import Origin
from lsml.registry.errors import StorageUnavailable
from lsml.registry.label_studio import SETTINGS_NEEDED, configured_label_studio
from lsml.registry.models import Project

STEP = 100  # tasks per call of predict(), at most
_FIRST_STEP = 10
# An annotator's click waits while a step runs. A slow model gets smaller steps.
_STEP_S = 1.0


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
        """Return the number of all tasks and of those done."""
        return {"tasks": job.total, "done": job.done}

    def retry(self, job: PredictionJob, *, actor: str, origin: Origin) -> PredictionJob:
        """Start a job that continues where the failed or cancelled one stopped."""
        return _start(
            job.project,
            Event.RETRIED,
            actor,
            origin,
            done=job.done,
            last_task_id=job.last_task_id,
        )


kind = PredictionKind()


def start_job(*, project: Project, actor: str, origin: Origin) -> PredictionJob:
    """Queue a prediction of all known tasks, and wake a worker after the commit.

    Args:
        project: The project whose tasks are predicted.
        actor: User name, or the command.
        origin: Of the request.

    Raises:
        JobRefused: The project is archived, has no known tasks, or has an active job.
    """
    return _start(project, Event.REQUESTED, actor, origin)


def _start(
    project: Project, event: Event, actor: str, origin: Origin, **resume: int
) -> PredictionJob:
    if project.archived_at is not None:
        raise JobRefused(f"{project} is archived; its tasks are not predicted.")
    total = _known(project).count()
    if not total:
        raise JobRefused(
            f"No tasks of {project} are known here: run"
            f" `manage.py sync --project {project.labelstudio_id}` first."
        )
    now = timezone.now()
    try:
        with transaction.atomic():
            job = PredictionJob.objects.create(
                project=project,
                total=total,
                requested_by=actor[:200],
                created_at=now,
                notified_at=now,
                **resume,
            )
            kind.record(job, event, actor=actor, origin=origin)
            wake_worker(job)
    except IntegrityError:  # one_active_job_per_project
        raise JobRefused("A bulk prediction of this project is under way.") from None
    return job


def predict_all(
    job_id: int, *, on_step: Callable[[int, int], None] | None = None
) -> None:
    """Run a job to its end; return at once if another process has it.

    Args:
        job_id: The job.
        on_step: Called after each step with the number of tasks done and of all tasks.
    """

    def work(running: RunningJob[PredictionJob]) -> dict[str, Any]:
        try:
            _predict_all(running, on_step)
        except LabelStudioError as error:
            raise JobFailed(f"{error} {error.next_step}") from error
        return {}

    run_job(kind, job_id, work)


def _predict_all(
    running: RunningJob[PredictionJob], on_step: Callable[[int, int], None] | None
) -> None:
    job = running.job
    studio = configured_label_studio()
    if studio is None:
        running.log(
            f"Predictions are only recorded here; to send them, set {SETTINGS_NEEDED}."
        )
    step = min(_FIRST_STEP, STEP)
    while tasks := list(_known(job.project).filter(pk__gt=job.last_task_id)[:step]):
        job.project.refresh_from_db(fields=["archived_at"])
        if job.project.archived_at is not None:
            raise JobFailed(f"{job.project} was archived; predictions stop here.")
        started = time.monotonic()
        _do_step(running, studio, tasks)
        step = next_step(step, took_s=time.monotonic() - started)
        job.done += len(tasks)
        job.last_task_id = tasks[-1].pk
        running.save(
            last_task_id=job.last_task_id,
            errors=job.errors,
            error=job.error,
            model_version=job.model_version,
        )
        if on_step:
            on_step(job.done, job.total)


def next_step(step: int, *, took_s: float) -> int:
    """Return how many tasks the next call gets, after `step` tasks took so long."""
    if took_s > _STEP_S:
        return max(1, step // 2)
    return min(STEP, step * 2) if took_s < _STEP_S / 4 else step


def _do_step(
    running: RunningJob[PredictionJob], studio: LabelStudio | None, tasks: list[Task]
) -> None:
    job = running.job
    try:
        predicted = _predict(running, tasks)
    except (ModelTimedOut, ModelCrashed) as error:
        if len(tasks) > 1:  # one of them is the cause
            running.log(f"{error} The {len(tasks)} tasks are tried one by one.")
            for task in tasks:
                _do_step(running, studio, [task])
        else:
            _count_failed(running, tasks, error)
        return
    except ModelError as error:  # recorded per task; the next step may succeed
        _count_failed(running, tasks, error)
        return
    job.model_version = predicted.model_version
    if studio:
        _send(studio, job.project, tasks, predicted)


def _count_failed(
    running: RunningJob[PredictionJob], tasks: list[Task], error: ModelError
) -> None:
    running.job.errors += len(tasks)
    running.job.error = storable(str(error))
    ids = ", ".join(str(task.task_id) for task in tasks[:5])
    more = ", …" if len(tasks) > 5 else ""
    running.log(f"{len(tasks)} tasks failed ({ids}{more}): {error}")


def _predict(running: RunningJob[PredictionJob], tasks: list[Task]) -> Predicted:
    order = PredictRequest(
        tasks=[{"id": task.task_id, "data": task.data} for task in tasks],
        project=running.job.project.key,
        label_config=None,
        context=None,
    )
    origin = job_origin(running.job)
    while True:
        try:
            return predict(order, origin=origin, kind=Prediction.Kind.BULK)
        except (ModelBusy, ModelProcessUnavailable, StorageUnavailable) as error:
            running.save()  # ends here if the job was cancelled
            time.sleep(error.retry_after_s)


def _send(
    studio: LabelStudio, project: Project, tasks: list[Task], predicted: Predicted
) -> None:
    studio.import_predictions(
        project.labelstudio_id,
        [
            {"task": task.task_id, **prediction.as_wire(predicted.model_version)}
            for task, predictions in zip(tasks, predicted.by_task, strict=True)
            for prediction in predictions
        ],
    )


def _known(project: Project) -> QuerySet[Task]:
    return Task.objects.filter(project=project, deleted_at__isnull=True).order_by("pk")
