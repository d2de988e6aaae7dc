"""The model of benchmarks/shadow.py."""

import os
import time
from typing import Any

from label_studio_ml.model import LabelStudioMLBase

PREDICT_MS = "BENCH_PREDICT_MS"  # the variable: of a processor, per task
_SECONDS = float(os.environ.get(PREDICT_MS, "5")) / 1000


class PurePython(LabelStudioMLBase):
    """Computes in Python, the worst neighbour: others in its process wait for it."""

    def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> list[Any]:
        until = time.thread_time() + _SECONDS * len(tasks)
        while time.thread_time() < until:
            sum(range(1_000))
        return [{"result": [], "score": 0.5} for _ in tasks]
