import os
import time
from pathlib import Path

from label_studio_ml.model import LabelStudioMLBase


class SleepingModel(LabelStudioMLBase):
    """Writes its process id to a file, then trains forever and ignores cancellation."""

    def predict(self, tasks, context=None, **kwargs):
        return [{"result": []} for _ in tasks]

    def train(self, dataset, run):
        Path(os.environ["TRAINING_MARK"]).write_text(str(os.getpid()))
        while True:
            time.sleep(1)
