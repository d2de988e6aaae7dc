"""Runs from the outside: opened, asked to stop, tried again. Each deed is recorded."""

from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from lsml.audit.services import Origin, record_entry
from lsml.dataset.services import writing
from lsml.jobs.notify import TRAIN, notify
from lsml.registry.models import Project
from lsml.training.errors import AlreadyTraining, IllegalMove, NotTrainable
from lsml.training.inbox.apply import give_back, retry_set_aside
from lsml.training.models import RunEvent, RunEventQuerySet, TrainingRun
from lsml.training.states import State, move

# A doorbell of a queued run is dropped unread after so long, and rung again: workers
# that were all busy find one message per run, not hundreds.
NOTIFY_AGAIN_S = 5.0


def open_run(*, project: Project, trigger: str, requested_by: str) -> TrainingRun:
    """Queue a run; the worker is told after the commit.

    Raises:
        AlreadyTraining: The project has an active one.
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
        active = TrainingRun.objects.filter(
            project=project, state__in=TrainingRun.ACTIVE
        ).first()
        raise AlreadyTraining(active or "The project's run") from None
    transaction.on_commit(partial(notify, TRAIN, run.pk, expires=NOTIFY_AGAIN_S))
    return run


def start_run(
    *, project: Project, actor: str, origin: Origin, retry_failed_events: bool = False
) -> TrainingRun:
    """Open a run because a person wants one, whatever the policy says.

    Args:
        project: The one to train.
        actor: User name.
        origin: Of the request or command.
        retry_failed_events: Let the run take the project's events that are set aside.

    Raises:
        NotTrainable: The project is archived.
        AlreadyTraining: It has an active run.
    """
    every = RunEvent.objects.filter(run__project=project)
    return _start(
        project,
        TrainingRun.Trigger.PERSON,
        actor,
        origin,
        "training started",
        every if retry_failed_events else RunEvent.objects.none(),
    )


def retry_run(*, run: TrainingRun, actor: str, origin: Origin) -> TrainingRun:
    """Open a new run for the events that one gave back, or that it set aside.

    Raises:
        IllegalMove: The run is active, or succeeded and set no event aside.
        NotTrainable: The project is archived.
        AlreadyTraining: Another run is active.
    """
    if not may_retry(run):
        raise IllegalMove(run, "a new attempt")
    return _start(
        run.project,
        TrainingRun.Trigger.RETRY,
        actor,
        origin,
        "training retried",
        run.events.all(),
        retried_run=run.pk,
    )


def may_retry(run: TrainingRun) -> bool:
    """Whether `retry_run` has anything to do."""
    return (
        run.state in {State.FAILED, State.CANCELLED} or run.events.set_aside().exists()
    )


def _start(
    project: Project,
    trigger: str,
    actor: str,
    origin: Origin,
    verb: str,
    retried: RunEventQuerySet,
    **detail: int,
) -> TrainingRun:
    if project.archived_at is not None:
        raise NotTrainable(f"{project} is archived; nothing trains it any more.")
    with writing(project.pk):
        run = open_run(project=project, trigger=trigger, requested_by=actor)
        if count := retry_set_aside(retried):
            detail["retried_events"] = count
        record_entry(
            origin=origin,
            at=run.created_at,
            actor=actor,
            verb=verb,
            target=f"run {run.pk}",
            project_id=project.pk,
            detail={"run": run.pk, **detail},
        )
    return run


def request_cancel(
    *, run: TrainingRun, actor: str, reason: str, origin: Origin
) -> None:
    """Stop a run: at once while it waits, soon while it trains.

    The training code sees it at its next `run.progress`; after
    TRAINING_CANCEL_GRACE_S it is ended by force. Asking again changes nothing.

    Raises:
        IllegalMove: The run is finished.
    """
    with writing(run.project_id):
        fresh = TrainingRun.objects.select_for_update(no_key=True).get(pk=run.pk)
        if fresh.state not in TrainingRun.ACTIVE:
            raise IllegalMove(fresh, State.CANCELLED)
        if fresh.cancel_requested_at is not None:
            return
        now = timezone.now()
        asked = {
            "cancel_requested_at": now,
            "cancel_requested_by": actor[:200],
            "cancel_reason": reason,
        }
        if fresh.state == State.RUNNING:
            TrainingRun.objects.filter(pk=run.pk).update(**asked)
        else:
            move(fresh, State.CANCELLED, finished_at=now, **asked)
            give_back(fresh)
        record_entry(
            origin=origin,
            at=now,
            actor=actor,
            verb="training cancelled",
            target=f"run {run.pk}",
            project_id=run.project_id,
            reason=reason,
            detail={"run": run.pk, "was": fresh.state},
        )
    run.refresh_from_db()
