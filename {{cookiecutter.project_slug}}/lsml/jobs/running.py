"""Runs a job in the worker's own thread: bulk predictions, exports, verifications.

A training run has a process of its own; see `lsml/training/worker/`.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from lsml.jobs import lease, outcomes
from lsml.jobs.database import retry_while_database_is_down
from lsml.jobs.errors import JobError, JobFailed, Overtaken
from lsml.jobs.kinds import J, JobKind
from lsml.jobs.models import LOG_CHARS_MAX
from lsml.jobs.states import State
from lsml.labelstudio.secrets import masked_text

log = structlog.get_logger(__name__)

stopping = threading.Event()  # set once this worker was asked to stop

_RENEW_EVERY_S = 1.0  # a cancellation is noticed as soon
_SAVE_EVERY_S = 1.0


class JobCancelled(Exception):
    """A person asked to stop; let it pass."""


class WorkerStops(Exception):
    """This worker was asked to stop; let it pass."""


class RunningJob(Generic[J]):
    """A job as the work that it does sees it: reports progress, notices a stop."""

    def __init__(self, job: J) -> None:
        self.job = job
        self._ended = threading.Event()
        self._saved_at = 0.0  # monotonic seconds

    def advance(self, count: int) -> None:
        """Count units that are done; written at most once a second.

        Raises: as `save`.
        """
        self.job.done += count
        if time.monotonic() - self._saved_at >= _SAVE_EVERY_S:
            self.save()

    def log(self, line: str) -> None:
        """Add a line to the job's log; written with the next save."""
        moment = timezone.now().strftime("%H:%M:%S")
        self.job.log = f"{self.job.log}{moment} {line}\n"[-LOG_CHARS_MAX:]

    def save(self, **columns: Any) -> None:
        """Write progress, log and other columns now.

        Raises:
            JobCancelled: A person asked to stop.
            WorkerStops: The worker was asked to stop.
            Overtaken: The job is another worker's by now; nothing was written.
        """
        job = self.job
        job.progress = min(1.0, job.done / job.total) if job.total else 0.0
        names = ("done", "total", "progress", "message", "log")
        held = lease.renew(
            job, **{name: getattr(job, name) for name in names}, **columns
        )
        self._saved_at = time.monotonic()
        if held is None:
            raise Overtaken(job)
        if held.cancel_requested_at is not None:
            raise JobCancelled
        if stopping.is_set():
            raise WorkerStops

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renew the lease from a thread meanwhile: a step may take minutes."""
        thread = threading.Thread(target=self._renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _renew(self) -> None:
        while not self._ended.wait(_RENEW_EVERY_S):
            with suppress(OperationalError, InterfaceError):  # the next second may do
                lease.renew(self.job)
            connection.close()


def run_job(
    kind: JobKind[J], pk: int, work: Callable[[RunningJob[J]], dict[str, Any]]
) -> None:
    """Claim a job and carry it to its end; return at once where nothing is to claim.

    Args:
        kind: The job's kind.
        pk: The job.
        work: Does it, and returns columns to write with the success. It may raise
            JobFailed with a sentence; anything else that it raises fails the job, too.
    """
    job = retry_while_database_is_down(
        lambda: lease.claim(kind.model, pk), give_up=stopping.is_set
    )
    if job is None:
        return
    _carry(kind, job, work)


def _carry(
    kind: JobKind[J], job: J, work: Callable[[RunningJob[J]], dict[str, Any]]
) -> None:
    running = RunningJob(job)
    try:
        with running.renewing():
            columns = work(running)
            running.save()
    except JobCancelled:
        _write_end(kind, job, State.CANCELLED)
    except WorkerStops:
        with suppress(JobError), kind.transaction(job):
            outcomes.hand_back(job)
    except Overtaken:
        log.warning("job was given to another worker", job=str(job))
    except (OperationalError, InterfaceError) as error:
        connection.close()
        log.warning("database is away; the sweeper tries again", error=str(error))
    except JobFailed as error:
        _write_end(kind, job, State.FAILED, error=str(error))
    except Exception as error:  # the work may raise anything; the job must end
        log.exception("job failed", job=str(job))
        reason = f"{type(error).__name__}: {masked_text(str(error))}"[:2000]
        _write_end(kind, job, State.FAILED, error=reason)
    else:
        _write_end(kind, job, State.SUCCEEDED, **columns)


def _write_end(kind: JobKind[J], job: J, state: State, **columns: Any) -> None:
    def write() -> None:
        fresh = kind.model._default_manager.get(pk=job.pk)
        fresh.fence = job.fence
        with kind.transaction(fresh):
            outcomes.end(fresh, state, **columns)

    try:
        retry_while_database_is_down(write, give_up=stopping.is_set)
    except JobError as overtaken:
        log.warning("result not written", job=str(job), why=str(overtaken))
    except (OperationalError, InterfaceError):
        log.warning("the sweeper will end the job", job=str(job))
    log.info("job ends", job=str(job), state=state, done=job.done)
