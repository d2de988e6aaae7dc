"""Bounds the predictions that a web process has in progress or waiting at once.

A prediction that waits for its model holds a thread of the web process. The bound keeps
WEB_THREADS threads for webhooks, health checks and the admin, whatever the model does.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from lsml.audit.models import Prediction
from lsml.inference.errors import ModelBusy

# Those that are counted, the most urgent first.
_KINDS = (Prediction.Kind.INTERACTIVE, Prediction.Kind.BATCH)
_BATCH_SHARE = 0.75  # the rest is for annotators who wait for an interactive answer
# Seconds to wait for another prediction to end. So a fast model refuses nobody.
_WAIT_S = 0.1
# The same once a prediction was refused, until one ends. A slow model's refusals soon
# free their threads for others, and clients that repeat at once are still slowed down.
_WAIT_AGAIN_S = 0.02


class Admission:
    """Counts the predictions of this process, and lets the longest waiting one in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._admitted = 0
        self._waiting = {kind: deque[threading.Event]() for kind in _KINDS}
        self._refused = False  # one was, and none has ended since

    @contextmanager
    def admit(self, kind: Prediction.Kind) -> Iterator[None]:
        """Admit one prediction for the time of the block.

        Args:
            kind: Batches get three quarters of WEB_PREDICT_THREADS. Jobs run in workers
                and are always admitted.

        Raises:
            ModelBusy: There are too many, and none ended soon.
        """
        if kind not in _KINDS:
            yield
            return
        self._enter(kind)
        try:
            yield
        finally:
            with self._lock:
                self._admitted -= 1
                self._refused = False
                self._admit_waiting()

    def _enter(self, kind: Prediction.Kind) -> None:
        with self._lock:
            if self._admitted < _most(kind) and not self._waiting[kind]:
                self._admitted += 1
                return
            self._waiting[kind].append(admitted := threading.Event())
            wait_s = _WAIT_AGAIN_S if self._refused else _WAIT_S
        if admitted.wait(wait_s):
            return
        with self._lock:
            if admitted.is_set():
                return
            self._waiting[kind].remove(admitted)
            self._refused = True
            raise ModelBusy(
                f"{self._admitted} predictions are in progress or waiting in this web"
                " process already. Try again in a moment, or raise WEB_PREDICT_THREADS."
            )

    def _admit_waiting(self) -> None:
        """Admit all that there is room for. The caller holds the lock."""
        for kind, waiting in self._waiting.items():
            while waiting and self._admitted < _most(kind):
                self._admitted += 1
                waiting.popleft().set()


def _most(kind: Prediction.Kind) -> int:
    threads: int = settings.WEB_PREDICT_THREADS
    if kind == Prediction.Kind.BATCH:
        return max(1, int(threads * _BATCH_SHARE))
    return threads


admission = Admission()
