"""Starts the bulk prediction that should follow a promotion."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from lsml.dataset.models import Task
from lsml.inference.bulk.jobs import Options, start_job
from lsml.inference.bulk.selection import selected
from lsml.inference.models import PredictionJob
from lsml.jobs.errors import JobRefused
from lsml.observability.origin import Origin
from lsml.registry.models import INITIAL_VERSION, Following, Project

_State = PredictionJob.State
_Only = PredictionJob.Only
_Setting = Project.PredictOnPromotion
# Label Studio's order would be random among the tasks without a prediction.
_LACKING_MAX: Final = 0.05  # of the tasks of a job that still exist
_FAILURES_MAX: Final = 6  # counted: after them, 64 minutes pass


@dataclass(frozen=True, slots=True)
class LastPromotion:
    """What was promoted last. Both are read from one row."""

    pk: int  # 0 = nothing was promoted yet
    version: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the served version has predicted what it should.

    Attributes:
        ready: a bulk prediction that began after the promotion has succeeded, and left
            few tasks behind. Tasks that came later may be missing.
        note: why nothing happens, for people; "" = nothing is wrong.
    """

    ready: bool
    note: str = ""


def last_promotion(project: Project) -> LastPromotion:
    """Return the last promotion of a project and the version that it serves."""
    last = project.promotions.select_related("to_version").order_by("-pk").first()
    if last is None:
        return LastPromotion(0, INITIAL_VERSION)
    version = last.to_version.version if last.to_version else INITIAL_VERSION
    return LastPromotion(last.pk, version)


def tasks_wanted(project: Project, promoted: LastPromotion) -> str | None:
    """Return which tasks the served version should predict by itself; None = none.

    Label Studio can order only tasks with predictions, so uncertainty sampling needs
    those of all unlabelled tasks, even before the first promotion.
    """
    setting = project.predict_on_promotion if promoted.pk else _Setting.NONE
    if setting == _Setting.ALL:
        return _Only.WITHOUT_THIS_VERSION
    uncertainty = project.sampling == Project.Sampling.UNCERTAINTY
    return _Only.UNLABELLED if setting == _Setting.UNLABELLED or uncertainty else None


def ensure_predicted(
    project: Project,
    following: Following,
    promoted: LastPromotion,
    *,
    origin: Origin,
    before_start: Callable[[], object],
) -> Progress:
    """Start a bulk prediction if one should run and none is active.

    A job that is active when another version is promoted continues with that version,
    so it is not cancelled: the job that is started after it predicts only the rest.

    Args:
        project: Its settings say what is wanted.
        following: Of the project; what is noticed is written to it.
        promoted: The last promotion.
        origin: Of the check.
        before_start: Called before a job is started; raises if it would fail.
    """
    only = tasks_wanted(project, promoted)
    jobs = PredictionJob.objects.filter(project=project).order_by("-pk").defer("log")
    _notice(following, promoted, jobs)
    if only is None:
        return Progress(ready=False)
    covering = jobs.filter(  # all tasks that are wanted
        pk__gt=following.jobs_before,
        task_ids=[],
        view=None,
        only__in={only, _Only.WITHOUT_THIS_VERSION},
    )
    ready = any(map(_is_complete, covering.filter(state=_State.SUCCEEDED)))
    if jobs.filter(state__in=PredictionJob.ACTIVE).exists():
        return Progress(ready)
    wanted = selected(PredictionJob(project=project, only=only))
    is_due, note = _next(project, promoted, list(covering[:_FAILURES_MAX]), wanted)
    if not is_due:
        return Progress(ready, note)
    if wanted.exists():
        before_start()
        return Progress(ready, _start(project, only, origin))
    if project.tasks.filter(deleted_at__isnull=True).exists():
        return Progress(ready=True)
    return Progress(ready, _no_tasks(project))


def _next(
    project: Project,
    promoted: LastPromotion,
    since: list[PredictionJob],
    wanted: QuerySet[Task],
) -> tuple[bool, str]:
    """Return whether a job should start now, or else why not.

    Args:
        project: Its tasks are to be predicted.
        promoted: The last promotion.
        since: The jobs that began after its promotion, newest first; none is active.
        wanted: The tasks that should have been predicted.
    """
    if not since:
        return True, ""
    last = since[0]
    if last.state == _State.CANCELLED:
        return False, _cancelled(promoted)
    if last.state == _State.FAILED:
        return _may_try_again(since), f"Bulk prediction {last.pk} failed: {last.error}"
    # Label Studio would serve tasks without predictions last.
    uncertainty = project.sampling == Project.Sampling.UNCERTAINTY
    is_due = uncertainty and wanted.filter(pk__gt=last.last_task_id).exists()
    return is_due, "" if _is_complete(last) else _incomplete(last)


def _is_complete(job: PredictionJob) -> bool:
    """Whether a job that succeeded predicted the tasks that it was asked to."""
    return job.lacking <= _LACKING_MAX * (job.total - job.gone)


def _start(project: Project, only: str, origin: Origin) -> str:
    try:
        start_job(project=project, actor="policy", origin=origin, options=Options(only))
    except JobRefused as refused:  # another process was faster
        return str(refused)
    return ""


def _notice(
    following: Following, promoted: LastPromotion, jobs: QuerySet[PredictionJob]
) -> None:
    if following.promotion == promoted.pk:
        return
    following.promotion = promoted.pk
    following.jobs_before = jobs.values_list("pk", flat=True).first() or 0
    following.save(update_fields=["promotion", "jobs_before"])


def _may_try_again(since: list[PredictionJob]) -> bool:
    """Whether enough time has passed: 2 minutes, and twice as long after each failure.

    Args:
        since: jobs, newest first.
    """
    failed = list(takewhile(lambda job: job.state == _State.FAILED, since))
    ended = failed[0].finished_at or failed[0].created_at
    return timezone.now() - ended >= timedelta(minutes=2 ** len(failed))


def _cancelled(promoted: LastPromotion) -> str:
    return (
        f"The bulk prediction by {promoted.version} was cancelled. Start one for all"
        " tasks to continue."
    )


def _incomplete(job: PredictionJob) -> str:
    return (
        f"Bulk prediction {job.pk} left {job.lacking:,} of {job.total:,} tasks without"
        f" a prediction of {job.model_version} ({job.failed:,} failed,"
        f" {job.invalid:,} invalid); its page names them. Start one for all tasks to"
        f" try them again. Label Studio's order follows a version that left at most"
        f" {_LACKING_MAX:.0%} behind."
    )


def _no_tasks(project: Project) -> str:
    return (
        "No tasks are known here: run"
        f" `manage.py sync --project {project.labelstudio_id}`."
    )
