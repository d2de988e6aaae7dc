"""Who may call a model now, and with whose tasks.

The thread of a request calls the model itself: an idle model answers without a change
of threads. Where no place is free, the thread waits. A thread that ends a call hands
its place to the most urgent one that waits, together with others whose tasks may go
into the same call; that thread then answers them all.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from django.conf import settings

from label_studio_ml.hosting import ModelClass, batch_size_of, offers_load_shared
from lsml.audit.models import Prediction
from lsml.inference.calls import KINDS_BY_URGENCY, Answer, Call, OnTimeout
from lsml.inference.errors import ModelBusy, ModelError
from lsml.inference.hosting import figures

_LATEST = 0.3  # weight of the latest call


class Turn:
    """One call that waits, runs, or has its answer."""

    def __init__(self, call: Call, *, model: object, on_timeout: OnTimeout) -> None:
        self.call = call
        self.model = model
        self.on_timeout = on_timeout
        self.batch: list[Turn] = []  # if this thread is to call the model: for whom
        self.ready = threading.Event()  # this thread has a batch, or its answer
        self._answer: Answer | Exception | None = None

    @property
    def is_answered(self) -> bool:
        """Whether the answer or the error is there."""
        return self._answer is not None

    def settle(self, answer: Answer | Exception) -> None:
        """Give the thread that waits its answer, or the error to raise."""
        self._answer = answer
        self.ready.set()

    def result(self) -> Answer:
        """Return the answer, or raise the error."""
        if isinstance(self._answer, Answer):
            return self._answer
        raise self._answer or ModelError("predict() ended its thread.")


class PredictQueue:
    """The places to call a model, and the calls that wait for one.

    Models that share weights share a queue: `concurrency` limits the calls of these
    weights.

    Args:
        places: Calls at the same time.
        batch_size: Tasks of different requests that one call may take together.
    """

    def __init__(self, *, places: int, batch_size: int) -> None:
        self.places = places
        self._batch_size = batch_size
        self._running: list[object] = []  # the model of each taken place
        self._call_s = 0.0  # how long a call takes: an average, the latest count most
        self._waiting = {kind: deque[Turn]() for kind in KINDS_BY_URGENCY}
        self._lock = threading.Lock()

    @contextmanager
    def turn(
        self, call: Call, *, model: object, until: float, on_timeout: OnTimeout
    ) -> Iterator[Turn]:
        """Wait for a place, and hold it inside the block.

        Args:
            call: The call.
            model: Whose call it is. Only calls of the same model share a batch.
            until: `time.monotonic()` after which it no longer waits.
            on_timeout: Kept in the turn.

        Yields:
            The turn. Inside the block, settle every turn of its batch. The batch is
            empty if another thread has settled this one.

        Raises:
            ModelBusy: The queue is full, or no place became free in time.
        """
        turn = Turn(call, model=model, on_timeout=on_timeout)
        started = time.monotonic()
        if not self._takes_place(turn, until):
            with figures.waiting.labels(call.kind).track_inprogress():
                self._wait(turn, until)
        figures.wait_seconds.labels(call.kind).observe(time.monotonic() - started)
        began = time.monotonic()
        try:
            yield turn
        finally:
            if turn.batch:
                self._call_s += _LATEST * (time.monotonic() - began - self._call_s)
                for each in turn.batch:
                    if not each.is_answered:
                        each.settle(ModelError("predict() ended its thread."))
                self._hand_on(model)

    @contextmanager
    def spare_place(self, model: object) -> Iterator[bool]:
        """Hold a place for a model if one is free, and yield whether one is."""
        with self._lock:
            has_place = len(self._running) < self.places
            if has_place:
                self._running.append(model)
        try:
            yield has_place
        finally:
            if has_place:
                self._hand_on(model)

    def waiting(self, model: object) -> dict[str, int]:
        """Return how many calls of a model wait, by kind."""
        with self._lock:
            return {
                kind.value: sum(turn.model is model for turn in turns)
                for kind, turns in self._waiting.items()
            }

    def running(self, model: object) -> int:
        """Return how many places a model takes."""
        return self._running.count(model)

    def _takes_place(self, turn: Turn, until: float) -> bool:
        kind = turn.call.kind
        with self._lock:
            if len(self._running) < self.places:
                self._running.append(turn.model)
                turn.batch = [turn]
                return True
            if len(self._waiting[kind]) >= settings.PREDICT_QUEUE_MAX:
                raise ModelBusy(
                    f"The model is busy: {settings.PREDICT_QUEUE_MAX} {kind.value}"
                    " predictions wait already (PREDICT_QUEUE_MAX). Try again later."
                )
            if time.monotonic() + self._expected_wait_s(kind) > until:
                raise ModelBusy(
                    "The model is busy: so many predictions wait that this one would"
                    f" not be called within {settings.PREDICT_WAIT_S:g} s. Try again"
                    " later.",
                    retry_after_s=max(1, round(settings.PREDICT_WAIT_S / 2)),
                )
            self._waiting[kind].append(turn)
            return False

    def _expected_wait_s(self, kind: Prediction.Kind) -> float:
        """Return how long a new call of this kind would wait, about."""
        urgent = KINDS_BY_URGENCY[: KINDS_BY_URGENCY.index(kind) + 1]
        ahead = sum(len(self._waiting[each]) for each in urgent)
        return self._call_s * ahead / self._batch_size / self.places

    def _wait(self, turn: Turn, until: float) -> None:
        if turn.ready.wait(max(0.0, until - time.monotonic())):
            return
        with self._lock:
            waiting = self._waiting[turn.call.kind]
            if turn in waiting:
                waiting.remove(turn)
                raise ModelBusy(
                    f"The model is busy: {self.places} prediction(s) at a time, and"
                    f" none ended within {settings.PREDICT_WAIT_S:g} s. Try again, or"
                    " raise the model's `concurrency`.",
                    retry_after_s=max(1, round(settings.PREDICT_WAIT_S / 2)),
                )
        turn.ready.wait()  # another thread is predicting it

    def _hand_on(self, model: object) -> None:
        """Give a model's place to the most urgent turn that waits, or free it."""
        with self._lock:
            self._running.remove(model)
            batch = self._next_batch()
            if not batch:
                return
            self._running.append(batch[0].model)
        first = batch[0]
        first.batch = batch
        first.ready.set()

    def _next_batch(self) -> list[Turn]:
        by_urgency = [turns for turns in self._waiting.values() if turns]
        if not by_urgency:
            return []
        batch = [by_urgency[0].popleft()]
        room = self._batch_size - len(batch[0].call.tasks)
        if not batch[0].call.may_be_shared:
            return batch
        for turns in by_urgency:
            for turn in list(turns):
                if len(turn.call.tasks) <= room and _go_together(turn, batch[0]):
                    turns.remove(turn)
                    batch.append(turn)
                    room -= len(turn.call.tasks)
        return batch


def _go_together(one: Turn, other: Turn) -> bool:
    return (
        one.model is other.model
        and one.call.may_be_shared
        # As JSON: in Python, True equals 1.
        and orjson.dumps(one.call.params) == orjson.dumps(other.call.params)
    )


_shared: dict[str, PredictQueue] = {}  # by class: of models that share weights


def queue_of(kind: ModelClass) -> PredictQueue:
    """Return the queue for a new model: a shared one if the class shares weights."""
    made = PredictQueue(places=max(1, kind.concurrency), batch_size=batch_size_of(kind))
    if not offers_load_shared(kind):
        return made
    return _shared.setdefault(f"{kind.__module__}.{kind.__qualname__}", made)
