"""Finds projects whose events wait. Any number of sweepers may run at once."""

from django.utils import timezone

from lsml.registry.models import Project
from lsml.training.inbox.notify import notify_inbox
from lsml.training.inbox.policy import due
from lsml.training.inbox.waiting import waiting_of
from lsml.training.models import InboxEntry, TrainingRun


def notify_waiting_events() -> None:
    """Wake a worker for projects whose events are unapplied, or due by their policy."""
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
