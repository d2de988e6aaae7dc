import threading
import time

from label_studio_ml.model import LabelStudioMLBase


class ScriptedModel(LabelStudioMLBase):
    """Returns or raises what a test assigned to `answer`; records its arguments."""

    answer = None
    calls = []
    made = 0

    def setup(self):
        type(self).made += 1

    def predict(self, tasks, context=None, **kwargs):
        self.calls.append({"tasks": tasks, "context": context, **kwargs})
        answer = type(self).answer
        if isinstance(answer, Exception):
            raise answer
        return answer(self, tasks) if callable(answer) else answer


class SlowModel(LabelStudioMLBase):
    """Predicts only once the test lets it."""

    go_on = threading.Event()
    inside = threading.Semaphore(0)

    @classmethod
    def hold(cls):
        """Let calls wait from now on, and forget those of earlier tests."""
        cls.go_on.clear()
        while cls.inside.acquire(blocking=False):
            pass

    def predict(self, tasks, context=None, **kwargs):
        self.inside.release()
        self.go_on.wait(10)
        return [{"result": []} for _ in tasks]


class EmbeddingModel(ScriptedModel):
    """Also embeds as a test says: `vectors` is called with the tasks, or raised."""

    vectors = None

    def embed(self, tasks):
        self.calls.append({"embed": [task["id"] for task in tasks]})
        vectors = type(self).vectors
        if isinstance(vectors, BaseException):
            raise vectors
        return vectors(tasks)


class NamedModel(ScriptedModel):
    """Names its version itself, as the reference's examples do."""

    answer = [{"result": []}]

    def setup(self):
        type(self).made += 1
        self.set("model_version", "my-model-1")


class BatchingModel(LabelStudioMLBase):
    """Takes up to 16 tasks at a time; its first call waits until the test lets it."""

    batch_size = 16
    go_on = threading.Event()
    sizes = []

    def predict(self, tasks, context=None, **kwargs):
        type(self).sizes.append(len(tasks))
        self.go_on.wait(10)
        if any(task["data"]["text"] == "broken" for task in tasks):
            raise ValueError("a broken task")
        return [
            {"result": [{"value": {"text": [f"task {task['id']}"]}}]} for task in tasks
        ]


class PrefetchingModel(LabelStudioMLBase):
    """Records the ids of the tasks that it was to prefetch."""

    prefetched = []

    def prefetch(self, task):
        self.prefetched.append(task["id"])


class SlowSetup(LabelStudioMLBase):
    """Takes a moment to be created, and counts how often it was."""

    made = 0

    def setup(self):
        type(self).made += 1
        time.sleep(0.3)

    def predict(self, tasks, context=None, **kwargs):
        return [{"result": []} for _ in tasks]
