"""A model whose scores are known for each version."""

from label_studio_ml.model import LabelStudioMLBase

UNTRAINED = 1


def score(text, seed):
    """Return a score that depends on the number in the text and on the version."""
    number = int(text.rpartition(" ")[2])
    return (number * 7919 + 13) * (2 * seed + 1) * 104_729 % 100_003 / 100_003


class ScoringModel(LabelStudioMLBase):
    """Scores differently after each training: by the number of its annotations."""

    seed = UNTRAINED

    def load(self, artifacts):
        self.seed = int((artifacts / "seed").read_text())

    def train(self, dataset, run):
        seed = sum(len(task.annotations) for task in [*dataset, *dataset.held_out])
        (run.artifacts / "seed").write_text(str(seed))

    def predict(self, tasks, context=None, **kwargs):
        region = {
            "from_name": "sentiment",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": ["Positive"]},
        }
        return [
            {"result": [region], "score": score(task["data"]["text"], self.seed)}
            for task in tasks
        ]
