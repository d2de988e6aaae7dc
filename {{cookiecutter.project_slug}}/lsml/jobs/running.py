"""Runs a job in the worker's own thread: bulk predictions, exports, verifications.

A training run has its own process; see `lsml/training/worker/`.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Generic

import structlog
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from django.utils import timezone

from lsml.jobs import lease, outcomes
from lsml.jobs.database import retry_while_database_is_down
from lsml.jobs.errors import (
    AttemptFailed,
    JobError,
    JobFailed,
    Overtaken,
    in_words,
    storable,
)
from lsml.jobs.kinds import J, JobKind
from lsml.jobs.models import LOG_CHARS_MAX
from lsml.jobs.states import State
from lsml.observability import tracing

log = structlog.get_logger(__name__)

stopping = threading.Event()  # set when this worker is asked to stop

_RENEW_EVERY_S = 1.0  # also how soon a cancellation is noticed

Outcome = Callable[[Any], object]  # called with the job, in its kind's transaction


class JobCancelled(Exception):
    """A person cancelled the job. Work must not catch this."""


class WorkerStops(Exception):
    """This worker was asked to stop. Work must not catch this."""


class RunningJob(Generic[J]):
    """What the work of a job uses to report progress and to notice a stop.

    `save` writes at once; `advance` may be called inside a transaction.
    """

    def __init__(self, job: J) -> None:
        self.job = job
        job.message = ""  # "starting", as claimed; the work may write its own
        self._ended = threading.Event()
        # The job's state as the renewing thread last saw it.
        self._cancelled = self._overtaken = False
        self._advanced = False

    def advance(self, count: int) -> None:
        """Count units as done. The thread that renews the lease writes the number.

        So this may be called inside a transaction. An export reads in one that lasts
        for minutes, and its own writes to the job would stay invisible and locked.

        Args:
            count: Units done since the last call.

        Raises:
            JobCancelled, WorkerStops, Overtaken: As for `save`.
        """
        self.job.done += count
        self._advanced = True
        if self._overtaken:
            raise Overtaken(self.job)
        self._stop_if_asked(cancelled=self._cancelled)

    def log(self, line: str) -> None:
        """Add a line to the job's log; written with the next save."""
        moment = timezone.now().strftime("%H:%M:%S")
        text = f"{self.job.log}{moment} {storable(line)}\n"
        self.job.log = text[-LOG_CHARS_MAX:]

    def save(self, *, also: Callable[[], object] | None = None, **columns: Any) -> None:
        """Write progress, log and other columns now; call outside transactions.

        Args:
            also: Writes other rows in the same transaction.
            columns: Of the job.

        Raises:
            JobCancelled: A person cancelled the job; everything was written.
            WorkerStops: The worker was asked to stop; everything was written.
            Overtaken: Another worker has the job; nothing was written.
        """
        with transaction.atomic():
            held = lease.renew(self.job, **self._progress(), **columns)
            if held is None:
                raise Overtaken(self.job)
            if also is not None:
                also()
        self._stop_if_asked(cancelled=held.cancel_requested_at is not None)

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renew the lease from a thread: a step of the work may take minutes."""
        thread = threading.Thread(target=self._renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _renew(self) -> None:
        try:
            while not self._ended.wait(_RENEW_EVERY_S):
                try:
                    self._renew_once()
                except (OperationalError, InterfaceError):
                    connection.close()  # tried again in a second
        finally:
            connection.close()  # each thread has its own

    def _renew_once(self) -> None:
        held = lease.renew(self.job, **(self._progress() if self._advanced else {}))
        self._overtaken = held is None
        self._cancelled = held is not None and held.cancel_requested_at is not None

    def _progress(self) -> dict[str, Any]:
        job = self.job
        if job.total:
            job.total = max(job.total, job.done)  # tasks may have been added meanwhile
            job.progress = job.done / job.total
        names = ("done", "total", "progress", "message", "log")
        return {name: getattr(job, name) for name in names}

    def _stop_if_asked(self, *, cancelled: bool) -> None:
        if cancelled:
            raise JobCancelled
        if stopping.is_set():
            raise WorkerStops


def traced(kind: JobKind[J], job: J) -> AbstractContextManager[Any]:
    """Trace an attempt at a job, as part of the trace of what caused the job."""
    return tracing.work(
        kind.name, cause=partial(kind.cause, job), job=job.pk, attempt=job.attempts
    )


def run_job(
    kind: JobKind[J], pk: int, work: Callable[[RunningJob[J]], dict[str, Any]]
) -> None:
    """Claim a job and run it to its end; return at once if it cannot be claimed.

    Args:
        kind: The job's kind.
        pk: The job's primary key.
        work: Does the work, and returns the columns to write on success. It raises
            JobFailed with a sentence for the user, or AttemptFailed; any other
            exception also fails the job.
    """
    reset = {} if kind.resumes else {"done": 0, "progress": 0}
    job = retry_while_database_is_down(
        lambda: lease.claim(kind.model, pk, **reset), give_up=stopping.is_set
    )
    if job is not None:
        with traced(kind, job):
            outcome = _outcome(RunningJob(job), work)
            if outcome is not None:
                _write_end(kind, job, outcome)


def _outcome(
    running: RunningJob[J], work: Callable[[RunningJob[J]], dict[str, Any]]
) -> Outcome | None:
    """Do the work; return how to write its outcome, or None to write nothing."""
    outcome: Outcome | None
    try:
        with running.renewing():
            columns = work(running)
        running.save()
        outcome = partial(outcomes.end, state=State.SUCCEEDED, **columns)
    except JobCancelled:
        outcome = partial(outcomes.end, state=State.CANCELLED)
    except WorkerStops:
        outcome = outcomes.hand_back
    except Overtaken:
        log.warning("job was given to another worker", job=str(running.job))
        outcome = None
    except (OperationalError, InterfaceError) as error:
        connection.close()
        log.warning("database failed", job=str(running.job), error=str(error).strip())
        outcome = partial(outcomes.try_again_or_fail, reason=in_words(error))
    except AttemptFailed as error:
        reason = storable(str(error))
        outcome = partial(outcomes.try_again_or_fail, reason=reason)
    except JobFailed as error:
        outcome = _failure(storable(str(error)))
    except (Exception, SystemExit) as error:  # the work may raise anything
        log.exception("job failed", job=str(running.job))
        outcome = _failure(in_words(error))
    return outcome


def _failure(error: str) -> Outcome:
    return partial(outcomes.end, state=State.FAILED, error=error)


def _write_end(kind: JobKind[J], job: J, outcome: Outcome) -> None:
    def write() -> None:
        fresh = kind.model._default_manager.get(pk=job.pk)
        # With the fence of this worker: if the job was queued again, this fails.
        fresh.state, fresh.fence = job.state, job.fence
        with kind.transaction(fresh):
            outcome(fresh)
        log.info("attempt ended", job=str(fresh), done=fresh.done)

    try:
        retry_while_database_is_down(write, give_up=stopping.is_set)
    except JobError as overtaken:
        log.warning("result not written", job=str(job), why=str(overtaken))
    except (DataError, IntegrityError) as error:  # what the work returned
        _write_end(
            kind, job, _failure(f"The result cannot be stored: {in_words(error)}")
        )
    except (OperationalError, InterfaceError):
        log.warning("the sweeper will end the job", job=str(job))
