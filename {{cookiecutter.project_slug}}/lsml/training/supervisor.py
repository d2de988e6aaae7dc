"""Carries one attempt: starts its process, keeps the lease, writes what happens.

Runs in a worker's thread beside the training, which may hold the interpreter's lock or
hang in native code as long as it likes: the lease is renewed from here.
"""

import shutil
import threading
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

from lsml.training import endings, lease
from lsml.training.childprocess import ChildProcess, nursery
from lsml.training.errors import TrainingError
from lsml.training.journal import Journal
from lsml.training.models import TrainingAttempt, TrainingRun
from lsml.training.patience import patiently
from lsml.training.tidying import remove_unless_kept
from lsml.training.workfolder import new_folder

log = structlog.get_logger(__name__)

stopping = threading.Event()  # set once this worker was asked to stop

Ending = Callable[[TrainingRun, TrainingAttempt], None]

_LISTEN_S = 0.1
_RENEW_EVERY_S = 1.0  # a cancellation is to be noticed as soon
_MEASURE_EVERY_S = 0.5
_LEAVE_WITHIN_S = 10.0  # after its report


class Supervisor:
    """One attempt at one run."""

    def __init__(self, run: TrainingRun, attempt: TrainingAttempt) -> None:
        self.run = run
        self.attempt = attempt
        self.journal = Journal(run, attempt)
        self.memory_mb = run.project.memory_mb or settings.TRAINING_MEMORY_MB
        self.time_limit_s = run.project.time_limit_s or settings.TRAINING_TIME_LIMIT_S
        # Monotonic seconds.
        self.started = self.renewed = self.reached = time.monotonic()
        self.measured = 0.0
        self.kill_at: float | None = None
        # What is known of the ending; `_ending` weighs it.
        self.evicted = False  # the run is another's by now
        self.cancelling = False
        self.handing_back = False
        self.limit = ""  # the one that was exceeded, in words
        self.report: Ending | None = None  # the child's own

    def carry(self) -> None:
        """See the attempt through to one of its endings."""
        try:
            ending = self._train()
        except OSError as error:  # no space, no process: this host's fault
            ending = partial(
                endings.crash, reason=f"The worker could not start: {error}"
            )
        self._write_end(ending)

    def _train(self) -> Ending | None:
        folder = new_folder(self.run)
        try:
            child = nursery.take()
            try:
                child.tell(self._order(folder))
                return self._watch(child)
            finally:
                child.close()
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
            }
        ).decode()

    def _watch(self, child: ChildProcess) -> Ending | None:
        while child.alive:
            self._note(*child.listen(_LISTEN_S))
            self._keep_lease(child)
            self._check_limits(child)
            self._heed_stop()
            if self.kill_at is not None and time.monotonic() >= self.kill_at:
                child.kill()
        self._note(*child.drain())
        return self._ending(child)

    def _ending(self, child: ChildProcess) -> Ending | None:
        """What counts most first: a person's wish over the training's own result."""
        if self.evicted:
            return None
        if self.cancelling:
            return endings.cancel
        if self.limit:
            return partial(endings.fail, reason=self.limit)
        if self.report is not None:
            return self.report
        if self.handing_back:
            return endings.hand_back
        return partial(endings.crash, reason=child.death_in_words())

    def _note(self, messages: list[dict[str, Any]], printed: bytes) -> None:
        if printed:
            self.journal.printed(printed)
        for message in messages:
            match message.pop("kind"):
                case "training":
                    self.journal.progressed({"fraction": 0, "message": "training"})
                    nursery.keep_spare()  # the next run may be close behind
                case "progress":
                    self.journal.progressed(message)
                case "done":
                    self._reported(partial(endings.succeed, product=message))
                case "failed":
                    self._reported(partial(endings.fail, **message))
                case "crashed":
                    self._reported(partial(endings.crash, **message))

    def _reported(self, ending: Ending) -> None:
        self.report = ending
        self._kill_in(_LEAVE_WITHIN_S)

    def _kill_in(self, seconds: float) -> None:
        at = time.monotonic() + seconds
        self.kill_at = at if self.kill_at is None else min(at, self.kill_at)

    def _keep_lease(self, child: ChildProcess) -> None:
        now = time.monotonic()
        if not self.journal.due and now - self.renewed < _RENEW_EVERY_S:
            return
        self.renewed = now
        try:
            held = lease.renew(self.run, **self.journal.columns())
            self.journal.write()
        except (OperationalError, InterfaceError) as error:
            self._database_away(error)
            return
        self.reached = now
        if held is None:
            self.evicted = True
            self._kill_in(0)
        elif held.cancel_requested_at is not None and not self.cancelling:
            self.cancelling = True
            child.tell("cancel")
            self._kill_in(settings.TRAINING_CANCEL_GRACE_S)

    def _database_away(self, error: Exception) -> None:
        """Train on: when the database is back, the lease is still ours or it is not."""
        connection.close()
        if time.monotonic() - self.reached > settings.TRAINING_OUTAGE_S:
            log.error(
                "database is away for too long; giving the run up", run=self.run.pk
            )
            self.evicted = True
            self._kill_in(0)
        else:
            log.warning("database is away", run=self.run.pk, error=str(error).strip())

    def _check_limits(self, child: ChildProcess) -> None:
        now = time.monotonic()
        if self.limit or self.report is not None:
            return
        if self.time_limit_s and now - self.started > self.time_limit_s:
            self.limit = f"Took longer than its limit of {self.time_limit_s} s."
        elif self.memory_mb and now - self.measured > _MEASURE_EVERY_S:
            self.measured = now
            if child.memory_mb() > self.memory_mb:
                self.limit = f"Used more memory than its limit of {self.memory_mb} MB."
        if self.limit:
            self._kill_in(0)

    def _heed_stop(self) -> None:
        if stopping.is_set() and not self.handing_back:
            self.handing_back = True
            self._kill_in(settings.TRAINING_STOP_GRACE_S)

    def _write_end(self, ending: Ending | None) -> None:
        log.info("training ends", run=self.run.pk, how=_name(ending))
        if ending is not None:
            try:
                patiently(partial(self._try_to_end, ending))
            except TrainingError as overtaken:
                log.warning("result not written", run=self.run.pk, why=str(overtaken))
            except (DataError, IntegrityError) as error:  # a name too long, a NUL
                reason = f"The result could not be kept: {error}"
                self._write_end(partial(endings.fail, reason=reason))
                return
            except (OperationalError, InterfaceError):
                log.warning("the sweeper will end the run", run=self.run.pk)
                return
        with suppress(OperationalError, InterfaceError):  # then the sweeper does it
            remove_unless_kept(self.attempt)

    def _try_to_end(self, ending: Ending) -> None:
        self.journal.write()
        self.journal.write_log()
        ending(copy(self.run), copy(self.attempt))  # copies: a try may come to nothing


def _name(ending: Ending | None) -> str:
    if ending is None:
        return "evicted"
    function = ending.func if isinstance(ending, partial) else ending
    return function.__name__
