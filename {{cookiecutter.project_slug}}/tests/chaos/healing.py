"""Waits for the service to start, and for it to process everything it accepted."""

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


def wait_until_ready(port, *, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def heal(*, timeout_s):
    """Wait until the inbox is empty and no run is active.

    Start a run for events that a failed run returned to the inbox, as a person would.

    Returns:
        The time this took, in seconds.
    """
    started = time.monotonic()
    while time.monotonic() - started < timeout_s:
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
    # The policy opens no run for held events or for deletions alone.
    idle = Project.objects.filter(pk__in=waiting.values("project")).exclude(
        pk__in=waiting.filter(Q(applied_at__isnull=True)).values("project")
    )
    for project in idle:
        try:
            start_run(project=project, actor="chaos", origin=_ORIGIN)
        except JobError:
            continue
    return not waiting.exists()
