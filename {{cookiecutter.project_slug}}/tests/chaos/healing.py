"""Waiting: for the service to come up, and for it to have caught up."""

import time
import urllib.error
import urllib.request

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import Q

from lsml.jobs.errors import JobError
from lsml.observability.origin import Origin
from lsml.registry.models import Project
from lsml.training.models import InboxEntry, TrainingRun
from lsml.training.runs import start_run

_ORIGIN = Origin(request_id="chaos-heals", client="chaos")


def wait_until_ready(port, *, patience_s=60):
    deadline = time.monotonic() + patience_s
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def heal(*, patience_s):
    """Wait until nothing waits. What a run gave back, a person starts again.

    Returns:
        Seconds it took.
    """
    started = time.monotonic()
    while time.monotonic() - started < patience_s:
        time.sleep(0.5)
        try:
            if _caught_up():
                break
        except DatabaseError:
            connection.close()
    return time.monotonic() - started


def _caught_up():
    if TrainingRun.objects.filter(state__in=TrainingRun.ACTIVE).exists():
        return False
    waiting = InboxEntry.objects.all()
    # Held events, and deletions that bring no annotation, start no run by themselves.
    idle = Project.objects.filter(pk__in=waiting.values("project")).exclude(
        pk__in=waiting.filter(Q(applied_at__isnull=True)).values("project")
    )
    for project in idle:
        try:
            start_run(project=project, actor="chaos", origin=_ORIGIN)
        except JobError:
            continue
    return not waiting.exists()
