"""Finds what was forgotten: rings, leases, artifacts. Any number may sweep at once."""

from datetime import timedelta

import structlog
from django.db.models import Q
from django.utils import timezone

from lsml.jobs.notify import TRAIN, notify, notify_project
from lsml.registry.models import Project
from lsml.training import lease, outcomes
from lsml.training.cleanup import remove_orphans
from lsml.training.errors import TrainingError
from lsml.training.inbox.apply import waiting_of
from lsml.training.inbox.policy import due
from lsml.training.models import InboxEntry, TrainingRun
from lsml.training.runs import NOTIFY_AGAIN_S
from lsml.training.states import State

log = structlog.get_logger(__name__)


def sweep_all() -> None:
    """One round: every part is harmless when done twice, or by two at once."""
    give_up_silent_workers()
    notify_queued_runs()
    notify_waiting_events()
    remove_orphans()


def give_up_silent_workers() -> None:
    """Send runs whose lease expired back to the queue, or fail them."""
    for run in lease.expired().select_related("project"):
        try:
            outcomes.lose(run)
        except TrainingError:
            continue  # it spoke up, or another sweeper was quicker
        log.warning("worker fell silent", run=run.pk, worker=run.lease_owner)


def notify_queued_runs() -> None:
    """Ring again for runs nobody took since the last ring."""
    now = timezone.now()
    forgotten = TrainingRun.objects.filter(
        Q(dispatched_at__isnull=True)
        | Q(dispatched_at__lt=now - timedelta(seconds=NOTIFY_AGAIN_S)),
        state=State.QUEUED,
    )
    for run_id in forgotten.values_list("pk", flat=True):
        if notify(TRAIN, run_id, expires=NOTIFY_AGAIN_S):
            log.info("rang again for a queued run", run=run_id)
            TrainingRun.objects.filter(pk=run_id).update(notified_at=now)


def notify_waiting_events() -> None:
    """Ring for projects whose events are unapplied, or due by their policy."""
    now = timezone.now()
    unapplied = set(
        InboxEntry.objects.filter(applied_at__isnull=True)
        .values_list("project_id", flat=True)
        .distinct()
    )
    active = TrainingRun.objects.filter(state__in=TrainingRun.ACTIVE)
    ready = Project.objects.filter(
        pk__in=InboxEntry.objects.filter(held=False).values("project")
    ).exclude(pk__in=active.values("project"))
    waiting = {each.pk for each in ready if due(each, waiting_of(each), now=now)}
    for project_id in sorted(unapplied | waiting):
        notify_project(project_id)
