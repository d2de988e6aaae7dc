"""Ends calls that hang. User code cannot be interrupted, so its process restarts.

A worker does not: its jobs would end with it. There, the thread that hangs is left
behind.
"""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import connections

from lsml.inference.calls import OnTimeout
from lsml.inference.errors import ModelTimedOut

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Processes whose supervisor starts them again, and the seconds that they may take to
# answer their other requests. In the model process those wait for what hangs.
GRACE_S = {"web": 20.0, "model": 1.0}
_LOOK_EVERY_S = 0.5
# Of loading a version, which may take minutes.
LOAD_TIMEOUT_S = 600.0
# How long the restart waits for the rows of hanging calls, which may wait for a
# database that hangs as well.
_REPORTS_S = 5.0


@dataclass(slots=True)
class _Running:
    what: str
    on_timeouts: Sequence[OnTimeout]
    about: Mapping[str, object]
    timeout_s: float
    restarts: bool
    started: float = field(default_factory=time.monotonic)
    thread: int = field(default_factory=threading.get_ident)


class Watch:
    """The calls that this process runs, and a thread that looks for hanging ones."""

    def __init__(self) -> None:
        self._running: dict[int, _Running] = {}
        self._numbers = count()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._restart: threading.Thread | None = None
        self._reports: list[threading.Thread] = []

    @contextmanager
    def running(
        self,
        what: str,
        on_timeouts: Sequence[OnTimeout],
        *,
        timeout_s: float | None = None,
        restarts: bool = True,
        **about: object,
    ) -> Iterator[None]:
        """Watch the block: it calls the model.

        Args:
            what: The method that is called, for the log.
            on_timeouts: Each is called, in another thread, if the block takes longer
                than `timeout_s`. Then this process is restarted. A command is not, and
                neither is a worker, where `in_time` raises instead.
            timeout_s: None = PREDICT_TIMEOUT_S.
            restarts: False = what hangs is only logged.
            about: What it is called for, for the log.
        """
        number = next(self._numbers)
        self._start()
        self._running[number] = _Running(
            what,
            on_timeouts,
            about,
            settings.PREDICT_TIMEOUT_S if timeout_s is None else timeout_s,
            restarts,
        )
        try:
            yield
        finally:
            self._running.pop(number, None)

    def _start(self) -> None:
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, daemon=True)
                self._thread.start()

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY_S)
            now = time.monotonic()
            for number, running in list(self._running.items()):
                if running.started + running.timeout_s > now:
                    continue
                if self._running.pop(number, None):
                    self._give_up(running)

    def _give_up(self, running: _Running) -> None:
        grace_s = GRACE_S.get(settings.PROCESS) if running.restarts else None
        frame = sys._current_frames().get(running.thread)
        log.error(
            "the model hangs",
            call=running.what,
            **running.about,
            timeout_s=running.timeout_s,
            next_step="this process restarts"
            if grace_s
            else "restart this process: the thread and its model stay in memory",
            stack="".join(traceback.format_stack(frame)) if frame else "",
        )
        if _leaves_behind() or not running.restarts:
            return  # in a worker, `in_time` raises an error, which is recorded
        self._start_report(running)
        if grace_s and self._restart is None:
            self._restart = threading.Thread(
                target=self._end, args=[grace_s], daemon=True
            )
            self._restart.start()

    def _start_report(self, running: _Running) -> None:
        """Report in a thread of its own: nothing here may wait for the database."""
        thread = threading.Thread(target=_report, args=[running], daemon=True)
        thread.start()
        self._reports.append(thread)

    def _end(self, grace_s: float) -> None:
        """Restart this process after a while, and report what still runs then."""
        stop_accepting()
        time.sleep(grace_s)
        for running in list(self._running.values()):
            self._start_report(running)
        until = time.monotonic() + _REPORTS_S
        for thread in list(self._reports):
            thread.join(max(0.0, until - time.monotonic()))
        exit_now()


def in_time(work: Callable[[], T], method: str, *, timeout_s: float | None = None) -> T:
    """Call the model. In a worker, return within `timeout_s`, even if it hangs.

    Args:
        work: Calls the model. In a worker it runs in a thread of its own, which is left
            behind if it hangs.
        method: What it calls, for the error.
        timeout_s: None = PREDICT_TIMEOUT_S.

    Raises:
        ModelTimedOut: It hangs. The model must not be called again: a thread is in it.
    """
    if not _leaves_behind():
        return work()
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again by `result()`
            done.set_exception(error)
        finally:
            connections.close_all()

    timeout_s = settings.PREDICT_TIMEOUT_S if timeout_s is None else timeout_s
    context = copy_context()  # of the trace
    threading.Thread(target=context.run, args=[run], daemon=True).start()
    try:
        return done.result(timeout=timeout_s)
    except TimeoutError:
        if done.done():
            raise
        raise ModelTimedOut(timeout_s, method) from None


def _leaves_behind() -> bool:
    return bool(settings.PROCESS == "worker")


def _report(running: _Running) -> None:
    for on_timeout in running.on_timeouts:
        try:
            on_timeout()
        except Exception:  # the database may be down: restart nevertheless
            log.exception("a hanging prediction could not be recorded")
    connections.close_all()


def stop_accepting() -> None:
    """Have gunicorn take no new requests in this process, and replace it."""
    os.kill(os.getpid(), signal.SIGTERM)


def exit_now() -> None:
    """End this process. An exit in order would wait for the thread that hangs."""
    os._exit(1)


watch = Watch()
