"""Models whose versions load or fail to load, as the test needs."""

import threading
from pathlib import Path

from label_studio_ml.model import LabelStudioMLBase


class LoadingModel(LabelStudioMLBase):
    """Loads the word in its artifact; "broken" raises, "gone" exits the process."""

    loaded = []  # words, in the order they were loaded

    def load(self, artifacts: Path):
        word = (artifacts / "word").read_text()
        type(self).loaded.append(word)
        if word == "broken":
            raise ValueError("weights of another shape, password=hunter2")
        if word == "gone":
            raise SystemExit("no GPU")
        self.word = word

    def predict(self, tasks, context=None, **kwargs):
        return [{"result": [], "score": 0.5} for _ in tasks]


class SlowLoadingModel(LoadingModel):
    """Loads only once the test lets it."""

    go_on = threading.Event()

    def load(self, artifacts: Path):
        self.go_on.wait(10)
        super().load(artifacts)


class WaitingModel(LabelStudioMLBase):
    """Is created only once the test lets it; says when that has begun."""

    waits, begun, go_on = True, threading.Event(), threading.Event()

    @classmethod
    def hold(cls):
        """Let instances wait from now on."""
        cls.waits = True
        cls.begun.clear()
        cls.go_on.clear()

    def setup(self):
        self.begun.set()
        if self.waits:
            self.go_on.wait(10)

    def predict(self, tasks, context=None, **kwargs):
        return [{"result": []} for _ in tasks]


class WritingNonsense(LoadingModel):
    """Trains successfully and writes an artifact that it cannot load."""

    def train(self, dataset, run):
        (run.artifacts / "word").write_text("broken")
        return {"tasks": len(dataset)}


class WritingSense(LoadingModel):
    """Trains and writes an artifact that it can load."""

    def train(self, dataset, run):
        (run.artifacts / "word").write_text("fine")
        return {"tasks": len(dataset)}


class LosingItsState(LabelStudioMLBase):
    """A legacy model whose `fit` stores a value that its next `setup` fails on."""

    def setup(self):
        self.set("model_version", "untrained-1")
        int(self.get("count") or "0")

    def fit(self, event, data, **kwargs):
        self.set("count", "many")
        self.set("model_version", "fitted-1")


class NeverLoading(LabelStudioMLBase):
    """Cannot be created."""

    def setup(self):
        raise ValueError("no GPU")
