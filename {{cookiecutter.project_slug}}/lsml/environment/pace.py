"""Lets periodic work run at most so often in this process."""

import threading
import time


class Pace:
    """Remembers, by the monotonic clock, when work may run again."""

    def __init__(self) -> None:
        self._next_at = 0.0  # monotonic seconds
        self._lock = threading.Lock()

    def allows(self, *, every_s: float) -> bool:
        """Return whether the work may run now; if so, not again for `every_s`."""
        now = time.monotonic()
        with self._lock:
            if now < self._next_at:
                return False
            self._next_at = now + every_s
            return True
