"""Models of benchmarks/training_latency.py."""

import multiprocessing
import os
import time
from typing import Any

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.training import Dataset, Run


class Stopwatch(LabelStudioMLBase):
    """Reports when its training began, by this machine's clock."""

    def train(self, dataset: Dataset, run: Run) -> dict[str, float]:
        return {"entered_at": time.time()}


class Furnace(LabelStudioMLBase):
    """Keeps every core busy, as a training does."""

    def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> list[Any]:
        return [[] for _ in tasks]

    def train(self, dataset: Dataset, run: Run) -> None:
        seconds = float(os.environ["FURNACE_S"])
        with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
            pool.map(_burn, [seconds] * (os.cpu_count() or 1))


def _burn(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(10_000))
