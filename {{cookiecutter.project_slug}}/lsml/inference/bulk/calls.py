"""Keeps several calls of the model under way for one job.

The answers are taken in the order of the tasks, whichever call ends first. So all that
follows a call, up to the POST, is as it would be with one call after the other.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import NamedTuple

from django.db import connections

from lsml.dataset.models import Task
from lsml.inference.errors import ModelError
from lsml.inference.placement import models
from lsml.inference.services import Predicted
from lsml.model_process.errors import ModelProcessUnavailable, NoAnswerInTime
from lsml.registry.models import Project

_CALLS_MAX = 8  # each has its tasks in memory, and a connection to the database
_WAIT_S = 0.5  # also how soon a cancellation is noticed

Pause = Callable[[float], object]  # waits so many seconds; raises to give up
Predict = Callable[[list[Task], Pause], Predicted]


class GivenUp(Exception):
    """The job ended while a call waited."""


class Found(NamedTuple):
    """What a call found."""

    predicted: Predicted | ModelError | None  # None = no task was asked for
    took_s: float


class Step(NamedTuple):
    """Tasks that follow each other, and the call for some of them."""

    tasks: list[Task]
    asked: list[Task]  # of these, those that the model gets
    found: Future[Found]


class Calls:
    """The calls of one job.

    Args:
        predict: Calls the model, and pauses before it tries again.
        pause: For calls in the job's own thread.
    """

    def __init__(self, predict: Predict, pause: Pause) -> None:
        self.at_once = 1  # a single one is made in the job's own thread
        self._predict = predict
        self._pause = pause
        self._steps: deque[Step] = deque()
        self._threads: ThreadPoolExecutor | None = None
        self._ended = threading.Event()

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def has_room(self) -> bool:
        return len(self._steps) < self.at_once

    def start(self, tasks: list[Task], asked: list[Task]) -> None:
        """Call the model for the tasks that are asked for."""
        found: Future[Found] = Future()
        if self.at_once == 1 or not asked:
            found.set_result(self.call(asked, self._pause))
        else:
            self._threads = self._threads or ThreadPoolExecutor(self.at_once)
            found = self._threads.submit(
                copy_context().run,
                self._call_in_thread,
                asked,  # same trace
            )
        self._steps.append(Step(tasks, asked, found))

    def next(self) -> Step:
        """Return the step that was started first, with what its call found."""
        step = self._steps.popleft()
        self._wait_for([step])
        return step

    def wait_for_all(self) -> None:
        """Wait until no call is under way."""
        self._wait_for(self._steps)

    def close(self) -> None:
        """Wait for calls that are under way, and drop what they find."""
        self._ended.set()
        if self._threads:
            self._threads.shutdown(cancel_futures=True)

    def call(self, asked: list[Task], pause: Pause) -> Found:
        """Call the model, and measure how long it takes with all waiting."""
        started = time.monotonic()
        predicted: Predicted | ModelError | None
        try:
            predicted = self._predict(asked, pause) if asked else None
        except ModelError as error:
            predicted = error
        return Found(predicted, time.monotonic() - started)

    def _call_in_thread(self, asked: list[Task]) -> Found:
        try:
            return self.call(asked, self._pause_in_thread)
        finally:
            connections.close_all()

    def _pause_in_thread(self, seconds: float) -> None:
        if self._ended.wait(seconds):
            raise GivenUp

    def _wait_for(self, steps: "deque[Step] | list[Step]") -> None:
        while wait([each.found for each in steps], timeout=_WAIT_S).not_done:
            self._pause(0)  # ends here if the job was cancelled


def calls_at_once(project: Project) -> int:
    """Return how many calls a job keeps under way once its model is loaded.

    One of the places to call the model stays free for annotators, unless it is the
    only one.
    """
    try:
        loaded = models().status().models
    except (ModelProcessUnavailable, NoAnswerInTime):
        return 1
    own = (each.places for each in loaded if each.project_pk == project.pk)
    return min(_CALLS_MAX, max(1, next(own, 1) - 1))
