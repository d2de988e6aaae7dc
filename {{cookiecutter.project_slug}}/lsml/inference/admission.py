"""Bounds the predictions that a web process has in progress or waiting at once.

A prediction that waits for its model holds a thread of the web process. The bound keeps
WEB_THREADS threads for webhooks, health checks and the admin, whatever the model does.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from lsml.audit.models import Prediction
from lsml.inference.errors import ModelBusy

_BATCH_SHARE = 0.75  # the rest is for annotators who wait for an interactive answer
# Seconds to wait for another prediction to end. So a fast model refuses nobody.
_WAIT_S = 0.1
# The same once a prediction was refused, until one ends. A slow model's refusals soon
# free their threads for others, and clients that repeat at once are still slowed down.
_WAIT_AGAIN_S = 0.02


class Admission:
    """Counts the predictions of this process."""

    def __init__(self) -> None:
        self._ended = threading.Condition()
        self._admitted = 0
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
        if kind not in {Prediction.Kind.INTERACTIVE, Prediction.Kind.BATCH}:
            yield
            return
        self._enter(kind)
        try:
            yield
        finally:
            with self._ended:
                self._admitted -= 1
                self._refused = False
                self._ended.notify_all()

    def _enter(self, kind: Prediction.Kind) -> None:
        most = settings.WEB_PREDICT_THREADS
        if kind == Prediction.Kind.BATCH:
            most = max(1, int(most * _BATCH_SHARE))
        with self._ended:
            wait_s = _WAIT_AGAIN_S if self._refused else _WAIT_S
            if not self._ended.wait_for(lambda: self._admitted < most, wait_s):
                self._refused = True
                raise ModelBusy(
                    f"{self._admitted} predictions are in progress or waiting in this"
                    " web process already. Try again in a moment, or raise"
                    " WEB_PREDICT_THREADS."
                )
            self._admitted += 1


admission = Admission()
