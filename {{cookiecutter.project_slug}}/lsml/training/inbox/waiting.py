"""Counts what waits in an inbox, and wakes a worker for it."""

from datetime import datetime

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
    return waiting_by_project(project=project).get(project.pk, Waiting())


def waiting_by_project(**filters: object) -> dict[int, Waiting]:
    """Count what waits in each inbox, in one query, by the project's primary key."""
    fresh = Q(held=False)
    entries = InboxEntry.objects.filter(payload_missing=False, **filters)
    counted = entries.values("project_id").annotate(
        fresh=Count("pk", filter=fresh),
        sum_annotations=Sum("annotations", default=0),
        training_requests=Count("pk", filter=fresh & Q(action=START_TRAINING)),
        oldest_at=Min("received_at", filter=fresh),
        newest_at=Max("received_at", filter=fresh),
    )
    return {
        each["project_id"]: Waiting(
            fresh=each["fresh"],
            annotations=each["sum_annotations"],
            requested=each["training_requests"] > 0,
            oldest_at=each["oldest_at"],
            newest_at=each["newest_at"],
        )
        for each in counted
    }


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
    due_now = {project.pk for project in due_without_run(now)}
    for project_id in sorted(unapplied | due_now):
        notify_inbox(project_id)


def due_without_run(now: datetime) -> list[Project]:
    """Return the projects whose policy starts a run at `now`, and that have none."""
    active = TrainingRun.objects.filter(state__in=TrainingRun.ACTIVE)
    waiting = waiting_by_project()
    ready = Project.objects.filter(pk__in=waiting).exclude(
        pk__in=active.values("project")
    )
    return [project for project in ready if due(project, waiting[project.pk], now=now)]
