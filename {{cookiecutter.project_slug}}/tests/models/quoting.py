"""A model whose errors quote the task, as errors of libraries do."""

from label_studio_ml.model import LabelStudioMLBase


class Quoting(LabelStudioMLBase):
    def predict(self, tasks, context=None, **kwargs):
        raise ValueError(f"cannot read {tasks[0]['data']['text']!r}")
