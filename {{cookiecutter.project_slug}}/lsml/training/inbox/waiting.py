"""Counts what waits in an inbox, and wakes a worker for it."""

from django.db.models import Count, Max, Min, Q, Sum
from django.utils import timezone

from lsml.jobs.notify import Coalescer
from lsml.labelstudio.webhooks import START_TRAINING
from lsml.registry.models import Project
from lsml.training.inbox.policy import Waiting, due
from lsml.training.models import InboxEntry, TrainingRun

PROCESS_INBOX = "lsml.training.tasks.process_inbox"

_coalescer = Coalescer(PROCESS_INBOX)


def notify_inbox(project_id: int) -> None:
    """Wake a worker to process a project's inbox; takes at most about 0.1 s."""
    _coalescer.notify(project_id)


def waiting_of(project: Project) -> Waiting:
    """Count what waits, in one query."""
    fresh = Q(held=False)
    entries = InboxEntry.objects.filter(project=project, payload_missing=False)
    counted = entries.aggregate(
        fresh=Count("pk", filter=fresh),
        annotations=Sum("annotations", default=0),
        training_requests=Count("pk", filter=fresh & Q(action=START_TRAINING)),
        oldest_at=Min("received_at", filter=fresh),
        newest_at=Max("received_at", filter=fresh),
    )
    return Waiting(requested=counted.pop("training_requests") > 0, **counted)


def notify_waiting_events() -> None:
    """Wake a worker for projects with unapplied events, or whose policy starts a run.

    Part of the sweep: any number of sweepers may run it at once.
    """
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
        notify_inbox(project_id)
