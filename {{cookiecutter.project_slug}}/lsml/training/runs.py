"""Training runs as a kind of job: starts, claims and retries them."""

from contextlib import AbstractContextManager
from functools import partial
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from lsml.audit.job_kind import RecordedJobKind
from lsml.audit.models import AuditEntry
from lsml.dataset.services import writing
from lsml.jobs import lease
from lsml.jobs.kinds import Event
from lsml.jobs.outcomes import wake_worker
from lsml.observability.origin import Origin
from lsml.registry.models import Project
from lsml.training.cleanup import remove_orphans
from lsml.training.errors import AlreadyTraining, NotTrainable
from lsml.training.facts import run_facts
from lsml.training.inbox.causes import request_behind
from lsml.training.inbox.events import give_back, retry_set_aside
from lsml.training.inbox.waiting import notify_inbox, notify_waiting_events
from lsml.training.models import RunEvent, TrainingAttempt, TrainingRun


class TrainingKind(RecordedJobKind[TrainingRun]):
    """Runs hold a project's events and change its dataset's transaction."""

    name = "training"
    model = TrainingRun
    task = "lsml.training.tasks.train"
    noun = "run"
    records_end = True
    verbs: ClassVar = {
        Event.REQUESTED: AuditEntry.Verb.TRAINING_STARTED,
        Event.RETRIED: AuditEntry.Verb.TRAINING_RETRIED,
        Event.CANCELLED: AuditEntry.Verb.TRAINING_CANCELLED,
        Event.SUCCEEDED: AuditEntry.Verb.TRAINING_SUCCEEDED,
        Event.FAILED: AuditEntry.Verb.TRAINING_FAILED,
    }

    def transaction(self, job: TrainingRun) -> AbstractContextManager[Any]:
        """Return the transaction of everything that writes the dataset and inbox."""
        return writing(job.project_id)

    def cause(self, job: TrainingRun) -> str:
        """Return who asked for the run, or the newest event that it was opened for."""
        return super().cause(job) or request_behind(job)

    def on_attempt_lost(self, job: TrainingRun, reason: str) -> None:
        """Close the attempt of the worker that stopped answering."""
        attempt = job.attempt_set.get(number=job.attempts)
        end_attempt(attempt, TrainingAttempt.Outcome.LOST, reason)

    def on_unfinished(self, job: TrainingRun) -> None:
        """Put the run's events back into the inbox."""
        give_back(job)

    def on_end(self, job: TrainingRun) -> None:
        """Wake a worker: events that arrived meanwhile may start the next run."""
        transaction.on_commit(partial(notify_inbox, job.project_id))

    def detail(self, job: TrainingRun) -> dict[str, Any]:
        """Return the run's id, and how it ended if it has.

        The entry of a retry has `retried_run` beside it.
        """
        return {"run": job.pk} if job.state in job.ACTIVE else run_facts([job.pk])[0]

    def may_retry(self, job: TrainingRun) -> bool:
        """Whether the run failed or was cancelled, or has events set aside."""
        return super().may_retry(job) or job.events.set_aside().exists()

    def retry(self, job: TrainingRun, *, actor: str, origin: Origin) -> TrainingRun:
        """Open a new run for the events that `job` gave back or set aside.

        Raises:
            NotTrainable: The project is archived.
            AlreadyTraining: Another run is active.
        """
        with writing(job.project_id):
            run = _open(job.project, TrainingRun.Trigger.RETRY, actor)
            self.record(
                run,
                Event.RETRIED,
                actor=actor,
                origin=origin,
                retried_run=job.pk,
                retried_events=retry_set_aside(job.events.all()),
            )
        return run

    def sweep(self) -> None:
        """Wake workers for waiting events, and remove orphaned artifacts."""
        notify_waiting_events()
        remove_orphans()


kind = TrainingKind()


def start_run(
    *, project: Project, actor: str, origin: Origin, retry_failed_events: bool = False
) -> TrainingRun:
    """Open a run that a person requested, whatever the policy says.

    Args:
        project: The project to train.
        actor: User name, or the command.
        origin: Of the request or command.
        retry_failed_events: Also train on the project's events that are set aside.

    Raises:
        NotTrainable: The project is archived.
        AlreadyTraining: It has an active run.
    """
    failed = RunEvent.objects.filter(run__project=project)
    with writing(project.pk):
        run = _open(project, TrainingRun.Trigger.PERSON, actor)
        detail: dict[str, Any] = {}
        if retry_failed_events:
            detail["retried_events"] = retry_set_aside(failed)
        kind.record(run, Event.REQUESTED, actor=actor, origin=origin, **detail)
    return run


def open_run(*, project: Project, trigger: str, requested_by: str) -> TrainingRun:
    """Queue a run, and wake a worker after the commit.

    Raises:
        AlreadyTraining: The project has an active run.
    """
    now = timezone.now()
    try:
        with transaction.atomic():
            run = TrainingRun.objects.create(
                project=project,
                trigger=trigger,
                requested_by=requested_by[:200],
                created_at=now,
                notified_at=now,
            )
    except IntegrityError:
        active = project.runs.filter(state__in=TrainingRun.ACTIVE).first()
        raise AlreadyTraining(active or "The project's run") from None
    wake_worker(run)
    return run


def _open(project: Project, trigger: str, actor: str) -> TrainingRun:
    project.refresh_from_db(fields=["archived_at"])  # under the lock of `writing`
    if project.archived_at is not None:
        raise NotTrainable(f"{project} is archived and cannot be trained.")
    return open_run(project=project, trigger=trigger, requested_by=actor)


def claim_run(run_id: int) -> tuple[TrainingRun, TrainingAttempt] | None:
    """Claim a queued run for this worker; None if it is not queued any more."""
    with transaction.atomic():
        run = lease.claim(TrainingRun, run_id, progress=0, metrics={})
        return None if run is None else (run, _begin(run))


def _begin(run: TrainingRun) -> TrainingAttempt:
    return TrainingAttempt.objects.create(
        run=run,
        number=run.attempts,
        fence=run.fence,
        worker=run.lease_owner,
        started_at=run.started_at or timezone.now(),
        # Written before anything is stored under it, so that the cleanup after a
        # killed worker finds it.
        artifact_key=f"project-{run.project_id}/run-{run.pk}/{run.fence}.tar",
    )


def end_attempt(attempt: TrainingAttempt, outcome: str, error: str = "") -> None:
    """Write how an attempt ended, and when by the database's clock."""
    attempt.outcome, attempt.error = outcome, error
    TrainingAttempt.objects.filter(pk=attempt.pk).update(
        outcome=outcome, error=error, finished_at=Now()
    )
