import threading
import time

from tests.models.constant import ConstantModel


class SlowCalls(ConstantModel):
    """Takes a moment for each call, of which four may run at once."""

    concurrency = 4
    seconds = 0.2
    running = most = 0
    _lock = threading.Lock()

    def predict(self, tasks, context=None, **kwargs):
        kind = type(self)
        with self._lock:
            kind.running += 1
            kind.most = max(kind.most, kind.running)
        time.sleep(self.seconds)
        with self._lock:
            kind.running -= 1
        return super().predict(tasks, context, **kwargs)
