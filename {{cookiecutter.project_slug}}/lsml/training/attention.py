"""What a person should look at: for the home page and `manage.py doctor`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Min, Q

from lsml.registry.models import Project
from lsml.training.inbox.waiting import due_without_run
from lsml.training.models import InboxEntry, TrainingRun

STUCK_AFTER: Final = timedelta(minutes=10)  # how long an event may wait for a worker


@dataclass(frozen=True, slots=True)
class StuckInbox:
    """Events that a worker should have processed, or that should have started a run."""

    project: Project
    events: int
    since: datetime


def stuck_inboxes(now: datetime) -> list[StuckInbox]:
    """Return the inboxes in which events wait for too long; a fixed number of queries.

    Events that wait because of the project's policy, or for the end of a run, are not
    stuck.
    """
    then = now - STUCK_AFTER
    entries = InboxEntry.objects.filter(held=False, project__archived_at=None)
    old = entries.filter(received_at__lt=then).values("project_id")
    waiting = old.annotate(
        events=Count("pk"),
        since=Min("received_at"),
        unapplied=Count("pk", filter=Q(applied_at=None)),
    )
    due = {project.pk for project in due_without_run(then)}
    stuck = [each for each in waiting if each["unapplied"] or each["project_id"] in due]
    projects = Project.objects.in_bulk(each["project_id"] for each in stuck)
    return [
        StuckInbox(projects[each["project_id"]], each["events"], each["since"])
        for each in stuck
    ]


def failed_last_runs() -> list[TrainingRun]:
    """Return the last run of each project, if it failed, the latest first.

    An active run is not the last one: its predecessor counts until it has ended.
    """
    ended = TrainingRun.objects.exclude(state__in=TrainingRun.ACTIVE)
    last = ended.order_by("project_id", "-pk").distinct("project_id").values("pk")
    failed = TrainingRun.objects.filter(
        pk__in=last, state=TrainingRun.State.FAILED, project__archived_at=None
    )
    large = ("log", "metrics", "project__label_config", "project__extra_params")
    return list(failed.select_related("project").defer(*large).order_by("-pk"))
