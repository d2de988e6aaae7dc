"""Models that are slow, hold the interpreter's lock, hang or crash where told to."""

import os
import time

from label_studio_ml.model import LabelStudioMLBase


def results(tasks):
    return [{"result": [], "score": 0.5} for _ in tasks]


class Sleeping(LabelStudioMLBase):
    """Takes 2 s a call, as with a GPU."""

    def predict(self, tasks, context=None, **kwargs):
        time.sleep(2)
        return results(tasks)


class Burning(LabelStudioMLBase):
    """Takes 2 s of the CPU a call, in pure Python."""

    def predict(self, tasks, context=None, **kwargs):
        until = time.thread_time() + 2
        while time.thread_time() < until:
            sum(range(1000))
        return results(tasks)


class Candidate(LabelStudioMLBase):
    """A version with an artifact ends its process; all others predict."""

    ends = False

    def load(self, artifacts):
        self.ends = True

    def predict(self, tasks, context=None, **kwargs):
        if self.ends:
            os._exit(1)
        return results(tasks)


class Obedient(LabelStudioMLBase):
    """Hangs or ends its process if the task's text says so."""

    def predict(self, tasks, context=None, **kwargs):
        texts = [task["data"]["text"] for task in tasks]
        if "hang" in texts:
            time.sleep(3600)
        if "crash" in texts:
            os._exit(1)
        return results(tasks)
