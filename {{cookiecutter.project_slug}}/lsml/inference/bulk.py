"""Bulk predictions: all known tasks of a project, in a worker, in steps.

Label Studio's own "Retrieve predictions" sends a whole project in one request, which
ends after 100 s; a job has as long as it takes, and goes on where it was cut off.
"""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from lsml.audit.models import Prediction
from lsml.audit.services import Origin, record_entry
from lsml.dataset.models import Task
from lsml.inference.errors import JobRefused, ModelBusy, ModelError
from lsml.inference.models import PredictionJob
from lsml.inference.services import Predicted, predict
from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.failures import LabelStudioError
from lsml.labelstudio.requests import PredictRequest
from lsml.registry.label_studio import SETTINGS_NEEDED, configured_label_studio
from lsml.registry.models import Project

log = structlog.get_logger(__name__)

STEP = 100  # tasks of one predict()
_SILENT_S = 120  # a runner that renewed nothing for so long is gone


def start_job(*, project: Project, actor: str, origin: Origin) -> PredictionJob:
    """Ask for predictions of all tasks known here. A worker has to be told yet.

    Args:
        project: whose tasks.
        actor: user name, or the command.
        origin: of the deed in the audit trail.

    Raises:
        JobRefused: no task is known, or a job is under way already.
    """
    total = _known(project).count()
    if not total:
        raise JobRefused(
            f"No task of {project} is known here: run"
            f" `manage.py sync --project {project.labelstudio_id}` first."
        )
    try:
        with transaction.atomic():
            job = PredictionJob.objects.create(
                project=project, total=total, requested_by=actor
            )
            record_entry(
                origin=origin,
                at=timezone.now(),
                actor=actor,
                verb="bulk prediction asked for",
                target=f"job {job.pk}",
                project_id=project.pk,
                detail={"tasks": total},
            )
    except IntegrityError:  # one_active_job_per_project
        raise JobRefused("A bulk prediction of this project is under way.") from None
    return job


def cancel_job(*, job: PredictionJob, actor: str, reason: str, origin: Origin) -> None:
    """Stop after the step that is being predicted; what was predicted stays."""
    PredictionJob.objects.filter(
        pk=job.pk,
        state__in=[PredictionJob.State.QUEUED, PredictionJob.State.RUNNING],
    ).update(state=PredictionJob.State.CANCELLED, finished_at=Now())
    record_entry(
        origin=origin,
        at=timezone.now(),
        actor=actor,
        verb="bulk prediction cancelled",
        target=f"job {job.pk}",
        project_id=job.project_id,
        reason=reason,
    )


def waiting_jobs() -> list[int]:
    """Jobs that no living process works on; the sweeper rings for them."""
    return list(PredictionJob.objects.filter(_free()).values_list("pk", flat=True))


def run_job(job_id: int, *, on_step: Callable[[int, int], None] | None = None) -> None:
    """Carry a job to its end; returns at once where another process does.

    Args:
        job_id: the job.
        on_step: told the tasks done and all of them after each step.
    """
    runner = uuid4().hex
    claimed = PredictionJob.objects.filter(_free(), pk=job_id).update(
        state=PredictionJob.State.RUNNING,
        runner=runner,
        heartbeat_at=Now(),
        started_at=Now(),
    )
    if not claimed:
        return
    job = PredictionJob.objects.select_related("project").get(pk=job_id)
    try:
        finished = _predict_all(job, on_step)
    except LabelStudioError as error:
        _finish(job, PredictionJob.State.FAILED, f"{error} {error.next_step}")
        return
    if finished:
        _finish(job, PredictionJob.State.SUCCEEDED)


def _predict_all(
    job: PredictionJob, on_step: Callable[[int, int], None] | None
) -> bool:
    """Step by step; False when the job was cancelled or taken over meanwhile."""
    studio = configured_label_studio()
    if studio is None:
        log.info(
            "predictions are only recorded here", job=job.pk, needs=SETTINGS_NEEDED
        )
    while tasks := list(_known(job.project).filter(pk__gt=job.last_task_id)[:STEP]):
        try:
            predicted = _predict(job, tasks)
        except ModelError as error:  # recorded for each task; the next may do better
            job.errors += len(tasks)
            job.error = str(error)
        else:
            job.model_version = predicted.model_version
            if studio:
                _send(studio, job.project, tasks, predicted)
        job.done += len(tasks)
        job.last_task_id = tasks[-1].pk
        if not _note(job):
            return False
        if on_step:
            on_step(job.done, job.total)
    return True


def _predict(job: PredictionJob, tasks: list[Task]) -> Predicted:
    order = PredictRequest(
        tasks=[{"id": task.task_id, "data": task.data} for task in tasks],
        project=job.project.key,
        label_config=None,
        context=None,
    )
    origin = Origin(request_id=f"job-{job.pk:08}", client=job.requested_by)
    while True:
        try:
            return predict(order, origin=origin, kind=Prediction.Kind.BULK)
        except ModelBusy:  # it waited PREDICT_WAIT_S already
            _note(job)


def _send(
    studio: LabelStudio, project: Project, tasks: list[Task], predicted: Predicted
) -> None:
    """Hand the step's predictions to Label Studio, which shows them beside its own."""
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


def _free() -> Q:
    silent = Q(
        state=PredictionJob.State.RUNNING,
        heartbeat_at__lt=Now() - timedelta(seconds=_SILENT_S),
    )
    return Q(state=PredictionJob.State.QUEUED) | silent


def _mine(job: PredictionJob) -> QuerySet[PredictionJob]:
    return PredictionJob.objects.filter(
        pk=job.pk, runner=job.runner, state=PredictionJob.State.RUNNING
    )


def _note(job: PredictionJob) -> bool:
    """Keep how far it is; False where the job is no longer this process's."""
    return bool(
        _mine(job).update(
            done=job.done,
            last_task_id=job.last_task_id,
            errors=job.errors,
            error=job.error,
            model_version=job.model_version,
            heartbeat_at=Now(),
        )
    )


def _finish(job: PredictionJob, state: PredictionJob.State, error: str = "") -> None:
    _mine(job).update(state=state, error=error or job.error, finished_at=Now())
    log.info("bulk prediction ended", job=job.pk, state=state, done=job.done)
