"""Models of benchmarks/placements.py: large, of fixed duration, or with embeddings."""

import time

from label_studio_ml.model import LabelStudioMLBase

SHARED_MB = 500


def results(tasks):
    return [{"result": [], "score": 0.5} for _ in tasks]


class Empty(LabelStudioMLBase):
    """Keeps nothing in memory."""

    def predict(self, tasks, context=None, **kwargs):
        return results(tasks)


class Large(Empty):
    """Shares 500 MB between all projects."""

    @classmethod
    def load_shared(cls):
        return bytearray(b"x") * (SHARED_MB << 20)  # written, so that it takes memory

    def predict(self, tasks, context=None, **kwargs):
        assert self.shared[-1] == ord("x")
        return results(tasks)


class Fixed(LabelStudioMLBase):
    """Takes 20 ms a call, for any number of tasks."""

    def predict(self, tasks, context=None, **kwargs):
        time.sleep(0.02)
        return results(tasks)


class FixedInBatches(Fixed):
    """As `Fixed`, and takes the tasks of concurrent requests together."""

    batch_size = 16


class Clicked(LabelStudioMLBase):
    """Segments at clicks, as SAM does: an embedding takes 1 s, a mask 10 ms."""

    def predict(self, tasks, context=None, **kwargs):
        if context is not None:
            for task in tasks:
                self.embedding(task)
                time.sleep(0.01)
        return results(tasks)

    def prefetch(self, task):
        self.embedding(task)

    def embedding(self, task):
        return self.task_cache.get_or_compute(task["id"], self.embed)

    def embed(self):
        time.sleep(1)
        return bytes(1 << 20)
