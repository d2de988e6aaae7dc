"""Carries out one attempt: starts its process, keeps the lease, writes the outcome.

Runs in a thread of the worker. The training has its own process, because it may hold
the interpreter's lock or hang in native code while the lease must be renewed.
"""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
)

from lsml.jobs import lease
from lsml.jobs.database import retry_while_database_is_down
from lsml.jobs.errors import JobError, Overtaken, in_words, storable
from lsml.jobs.running import stopping, traced
from lsml.observability import tracing
from lsml.training import outcomes
from lsml.training.cleanup import remove_unless_kept
from lsml.training.models import TrainingAttempt, TrainingRun
from lsml.training.runs import kind
from lsml.training.worker.folders import new_folder
from lsml.training.worker.progress import RunProgress
from lsml.training.worker.training_process import TrainingProcess, warm_process

log = structlog.get_logger(__name__)

Outcome = Callable[[TrainingRun, TrainingAttempt], None]

_LISTEN_S = 0.1
_RENEW_EVERY_S = 1.0  # also how soon a cancellation is noticed
_MEASURE_EVERY_S = 0.5
_EXIT_WITHIN_S = 10.0  # after the report
# When a process for the next run is started. Loading it would slow a short training,
# after which `lsml.training.tasks.train` starts one.
_NEXT_AFTER_S = 1.0


class Supervisor:
    """One attempt at one run."""

    def __init__(self, run: TrainingRun, attempt: TrainingAttempt) -> None:
        self.run = run
        self.attempt = attempt
        self.progress = RunProgress(run, attempt)
        self.memory_mb = run.project.memory_mb or settings.TRAINING_MEMORY_MB
        self.time_limit_s = run.project.time_limit_s or settings.TRAINING_TIME_LIMIT_S
        # Monotonic seconds.
        self.started = self.renewed = self.reached = time.monotonic()
        self.measured = 0.0
        self.kill_at: float | None = None
        self.next_at: float | None = None
        # What is known about the outcome; `_outcome` decides.
        self.evicted = False  # another worker has the run
        self.cancelling = False
        self.handing_back = False
        self.limit = ""  # the exceeded limit, as a sentence
        self.report: Outcome | None = None  # as the training process reported it

    def carry(self) -> None:
        """Run the attempt to its end, and write how it ended."""
        with traced(kind, self.run):
            self._carry()

    def _carry(self) -> None:
        try:
            outcome = self._train()
        except OSError as error:  # no space, no process: this host's fault
            reason = f"The worker could not start: {storable(str(error))}"
            outcome = partial(outcomes.crash, reason=reason)
        except Exception as error:  # the run must not wait for its lease to expire
            log.exception("supervisor failed", run=self.run.pk)
            reason = f"The worker could not continue: {in_words(error)}"
            outcome = partial(outcomes.crash, reason=reason)
        self._write_end(outcome)

    def _train(self) -> Outcome | None:
        folder = new_folder(self.run)
        try:
            process = warm_process.take()
            try:
                process.send(self._order(folder))
                return self._watch(process)
            finally:
                process.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _order(self, folder: Path) -> str:
        return orjson.dumps(
            {
                "run_id": self.run.pk,
                "fence": self.run.fence,
                "folder": str(folder),
                "artifact_key": self.attempt.artifact_key,
                "memory_mb": self.memory_mb,
                "traceparent": tracing.traceparent(),
            }
        ).decode()

    def _watch(self, process: TrainingProcess) -> Outcome | None:
        while process.alive:
            self._note(*process.listen(_LISTEN_S))
            self._keep_lease(process)
            self._check_limits(process)
            self._check_stop()
            if self.next_at is not None and time.monotonic() >= self.next_at:
                self.next_at = None
                warm_process.prepare()
            if self.kill_at is not None and time.monotonic() >= self.kill_at:
                process.kill()
        process.kill()  # child processes that it left
        self._note(*process.drain())
        return self._outcome(process)

    def _outcome(self, process: TrainingProcess) -> Outcome | None:
        """Choose what is written; a cancellation overrides the training's result."""
        if self.evicted:
            return None
        if self.cancelling:
            return outcomes.cancel
        if self.limit:
            return partial(outcomes.fail, reason=self.limit)
        if self.report is not None:
            return self.report
        if self.handing_back:
            return outcomes.hand_back
        return partial(outcomes.crash, reason=process.exit_reason())

    def _note(self, messages: list[dict[str, Any]], printed: bytes) -> None:
        if printed:
            self.progress.printed(printed)
        for message in messages:
            match message.pop("kind"):
                case "training":
                    self.progress.progressed({"fraction": 0, "message": "training"})
                    self.next_at = time.monotonic() + _NEXT_AFTER_S
                case "progress":
                    self.progress.progressed(message)
                case "done":
                    self._reported(partial(outcomes.succeed, product=message))
                case "failed":
                    self._reported(partial(outcomes.fail, **message))
                case "crashed":
                    self._reported(partial(outcomes.crash, **message))

    def _reported(self, outcome: Outcome) -> None:
        self.report = outcome
        self._kill_in(_EXIT_WITHIN_S)

    def _kill_in(self, seconds: float) -> None:
        at = time.monotonic() + seconds
        self.kill_at = at if self.kill_at is None else min(at, self.kill_at)

    def _keep_lease(self, process: TrainingProcess) -> None:
        now = time.monotonic()
        if not self.progress.due and now - self.renewed < _RENEW_EVERY_S:
            return
        self.renewed = now
        try:
            held = lease.renew(self.run, **self.progress.columns())
            if held is not None:
                self.progress.written()
        except (OperationalError, InterfaceError) as error:
            self._database_down(error)
            return
        self.reached = now
        if held is None:
            self.evicted = True
            self._kill_in(0)
        elif held.cancel_requested_at is not None and not self.cancelling:
            self.cancelling = True
            process.send("cancel")
            self._kill_in(settings.TRAINING_CANCEL_GRACE_S)

    def _database_down(self, error: Exception) -> None:
        """Continue training: `renew` will show whether another worker has the run."""
        connection.close()
        if time.monotonic() - self.reached > settings.TRAINING_OUTAGE_S:
            log.error(
                "database is down for too long; giving up the run", run=self.run.pk
            )
            self.evicted = True
            self._kill_in(0)
        else:
            log.warning("database is down", run=self.run.pk, error=str(error).strip())

    def _check_limits(self, process: TrainingProcess) -> None:
        now = time.monotonic()
        if self.limit or self.report is not None:
            return
        if self.time_limit_s and now - self.started > self.time_limit_s:
            self.limit = f"Took longer than its limit of {self.time_limit_s} s."
        elif self.memory_mb and now - self.measured > _MEASURE_EVERY_S:
            self.measured = now
            if process.memory_mb() > self.memory_mb:
                self.limit = f"Used more memory than its limit of {self.memory_mb} MB."
        if self.limit:
            self._kill_in(0)

    def _check_stop(self) -> None:
        if stopping.is_set() and not self.handing_back:
            self.handing_back = True
            self._kill_in(settings.TRAINING_STOP_GRACE_S)

    def _write_end(self, outcome: Outcome | None) -> None:
        log.info("training ended", run=self.run.pk, how=_name(outcome))
        if outcome is not None:
            try:
                retry_while_database_is_down(partial(self._try_to_end, outcome))
            except JobError as overtaken:
                log.warning("result not written", run=self.run.pk, why=str(overtaken))
            except (OperationalError, InterfaceError):
                log.warning("the sweeper will end the run", run=self.run.pk)
                return
        with suppress(OperationalError, InterfaceError):  # the sweeper will remove it
            remove_unless_kept(self.attempt)

    def _try_to_end(self, outcome: Outcome) -> None:
        try:
            if lease.renew(self.run, **self.progress.columns(whole=True)) is None:
                raise Overtaken(self.run)
            self.progress.written()
            self._end(outcome)
        except (DataError, IntegrityError) as error:  # such as a name too long
            reason = f"The result cannot be stored: {in_words(error)}"
            self._end(partial(outcomes.fail, reason=reason))

    def _end(self, outcome: Outcome) -> None:
        outcome(copy(self.run), copy(self.attempt))  # copies: it may be retried


def _name(outcome: Outcome | None) -> str:
    if outcome is None:
        return "evicted"
    function = outcome.func if isinstance(outcome, partial) else outcome
    return function.__name__
