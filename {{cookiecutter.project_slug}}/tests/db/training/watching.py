"""Runs that a test watches, while their supervisor works in a thread of its own."""

import threading
import time
from pathlib import Path

from django.db import connection

from lsml.jobs.services import request_cancel
from lsml.observability.origin import Origin
from lsml.registry.artifacts import artifact_storage
from lsml.training.models import TrainingRun

ORIGIN = Origin(request_id="test-request", client="tests")


class InBackground:
    """A supervisor in a thread of its own, as in a Celery worker."""

    def __init__(self, supervisor):
        self.run = supervisor.run
        self.thread = threading.Thread(target=self._carry, args=[supervisor])
        self.thread.start()

    def _carry(self, supervisor):
        try:
            supervisor.carry()
        finally:
            connection.close()

    def until(self, condition, *, within_s=30.0):
        """Wait until the reloaded run meets the condition; return the seconds."""
        started = time.monotonic()
        while not condition(self.now()):
            assert time.monotonic() - started < within_s, self.now().__dict__
            time.sleep(0.02)
        return time.monotonic() - started

    def now(self):
        return TrainingRun.objects.get(pk=self.run.pk)

    def end(self):
        self.thread.join(40)
        assert not self.thread.is_alive()
        return self.now()


def cancel(run, reason="enough"):
    request_cancel(run, actor="ann", reason=reason, origin=ORIGIN)


def kept_files():
    root = Path(artifact_storage().location)
    return [path for path in root.rglob("*") if path.is_file()]
