"""Workers and queues, the inbox, and jobs."""

from collections.abc import Iterator

from django.utils import timezone

from lsml.doctor.findings import Finding, ok, problem, warning
from lsml.jobs.kinds import all_kinds
from lsml.jobs.notify import WAITING_MAX
from lsml.jobs.states import State
from lsml.jobs.workers import answering_workers, messages_waiting, queues
from lsml.registry.models import Project
from lsml.training.attention import STUCK_AFTER, failed_last_runs, stuck_inboxes
from lsml.training.models import InboxEntry, RunEvent

_PAGES = "Look at its page in the admin; `manage.py retry` starts it again."


def check_queues() -> Iterator[Finding]:
    """Report queues that no worker takes, or in which many messages wait."""
    taken = answering_workers()
    for queue in queues():
        number = sum(queue in theirs for theirs in taken.values())
        waiting = messages_waiting(queue) or 0
        text = f"workers: {number}; messages waiting: {waiting}"
        if not number:
            step = f"Start a worker with `--queues {queue}`: docs/training.md, Workers."
            yield problem(f"queue {queue}", text, step)
        elif waiting >= WAITING_MAX:
            step = "Start another worker, or raise --concurrency, if it stays so."
            yield warning(f"queue {queue}", text, step)
        else:
            yield ok(f"queue {queue}", text)


def check_inbox() -> Iterator[Finding]:
    """Report events that wait for too long."""
    stuck = stuck_inboxes(timezone.now())
    for each in stuck:
        yield warning(
            "inbox",
            f"{each.project}: {each.events} events wait since {each.since:%F %H:%M}"
            " UTC; no run has taken them",
            "Check that a worker with the queue “default” runs, and read its log.",
        )
    if not stuck:
        number = InboxEntry.objects.count()
        yield ok("inbox", f"events that wait for the next run: {number}")


def check_projects() -> Iterator[Finding]:
    """Report projects whose last run failed, and events that `fit` failed on."""
    failed = failed_last_runs()
    for run in failed:
        text = f"{run.project}: run {run.pk} failed: {run.error[:120]}"
        yield warning("projects", text, _PAGES)
    aside = RunEvent.objects.set_aside().count()
    if aside:
        text = f"{aside} events were set aside, because fit() failed on them"
        yield warning("projects", text, "Correct model.py, then retry their runs.")
    if not failed and not aside:
        projects = Project.objects.filter(archived_at=None)
        paused = projects.filter(training_paused=True).count()
        text = f"number: {projects.count()}; training paused: {paused}; failed: 0"
        yield ok("projects", text)


def check_jobs() -> Iterator[Finding]:
    """Report jobs that no worker takes."""
    late = timezone.now() - STUCK_AFTER
    for kind in all_kinds():
        jobs = kind.model._default_manager
        active = jobs.filter(state__in=kind.model.ACTIVE).count()
        queued = jobs.filter(state=State.QUEUED, created_at__lt=late).count()
        item = f"{kind.name} jobs"
        if queued:
            yield warning(
                item,
                f"active: {active}; {queued} waited for a worker for over 10 minutes",
                "Start another worker, or raise --concurrency: docs/training.md.",
            )
        else:
            yield ok(item, f"active: {active}")
