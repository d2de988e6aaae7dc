"""A model that is right at first, and after more annotations does not tell labels."""

from label_studio_ml.model import LabelStudioMLBase

RIGHT_UP_TO = 260  # annotated tasks


def label(text):
    """The right label: by the number in the text."""
    return ("Positive", "Negative")[int(text.rpartition(" ")[2]) % 2]


class WorseningModel(LabelStudioMLBase):
    """Untrained it predicts nothing."""

    right = None

    def load(self, artifacts):
        self.right = (artifacts / "right").read_text() == "yes"

    def train(self, dataset, run):
        annotated = len(dataset) + len(dataset.held_out)
        right = "yes" if annotated <= RIGHT_UP_TO else "no"
        (run.artifacts / "right").write_text(right)

    def predict(self, tasks, context=None, **kwargs):
        return [self._answer(task["data"]["text"]) for task in tasks]

    def _answer(self, text):
        if self.right is None:
            return {"result": []}
        chosen = label(text) if self.right else "Positive"
        region = {"from_name": "sentiment", "to_name": "text", "type": "choices"}
        return {"result": [region | {"value": {"choices": [chosen]}}], "score": 0.9}
