"""Reports from the training process to the supervisor, as JSON lines in a pipe.

A training loop may report a hundred thousand times. The newest state is sent at most
five times a second, together with enough points for a plot.
"""

import json
import os
import threading
import time
from typing import Any

import orjson

from label_studio_ml.training import Progress

_SEND_EVERY_S = 0.2
# After each 500 points the distance between kept steps doubles. So the plot covers all
# steps, and the number of rows grows with their logarithm.
_POINTS_PER_STRIDE = 500


class Reporter:
    """Sends messages to the supervisor at a bounded rate."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._newest: Progress | None = None
        self._points: list[tuple[int, float, float, dict[str, float]]] = []
        self._step = 0
        self._stride = 1
        self._kept = 0
        self._sent_at = 0.0

    def start(self) -> None:
        """Start a thread that sends the last report if no further one follows."""
        threading.Thread(target=self._flush_regularly, daemon=True).start()

    def send(self, kind: str, **facts: Any) -> None:
        """Write one complete message."""
        line = _encoded({"kind": kind, **facts})
        view = memoryview(line + b"\n")
        with self._lock:
            while view:
                view = view[os.write(self._descriptor, view) :]

    def progress(self, progress: Progress) -> None:
        """Accept one report of the user's code; at most five a second are sent."""
        now = time.time()
        self._newest = progress
        self._step += 1
        if progress.metrics and self._step % self._stride == 0:
            self._points.append((self._step, now, progress.fraction, progress.metrics))
            self._kept += 1
            if self._kept % _POINTS_PER_STRIDE == 0:
                self._stride *= 2
        if now - self._sent_at >= _SEND_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Send the newest report and the points since the last one, if any."""
        progress, self._newest = self._newest, None
        if progress is None:
            return
        self._sent_at = time.time()
        points, self._points = self._points, []
        self.send(
            "progress",
            fraction=progress.fraction,
            message=progress.message,
            metrics=progress.metrics,
            points=points,
        )

    def _flush_regularly(self) -> None:
        while True:
            time.sleep(_SEND_EVERY_S)
            self.flush()


def _encoded(message: dict[str, Any]) -> bytes:
    """Encode as JSON; orjson refuses unpaired surrogates, which texts may contain."""
    try:
        return orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:
        text = json.dumps(message, ensure_ascii=False, default=str)
        return text.encode(errors="replace")
