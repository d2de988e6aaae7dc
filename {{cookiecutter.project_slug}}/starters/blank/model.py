"""Your model goes here: the one file of this project to write.

Label Studio sends tasks, `predict` answers them; annotators correct the answers, and
`train` learns from what they said. Everything around it is there already.
"""

from pathlib import Path
from typing import Any

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.training import Dataset, Run


class MyModel(LabelStudioMLBase):
    """Say here what the model does; the admin shows it beside the version."""

    # How many predict() calls may run at once in a process. Leave it at 1 for a model
    # that is not safe in threads, or that fills the memory of a GPU.
    concurrency = 1

    def load(self, artifacts: Path) -> None:
        """Read what `train` wrote; called once per process and version.

        For example `self.net = torch.load(artifacts / "net.pt")`.
        Before the first training it is not called at all: a model that comes ready
        made reads its weights in `setup(self)` instead.
        """

    def predict(
        self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        """Return one prediction for each task, in their order.

        Args:
            tasks: Label Studio's tasks; `task["data"]` holds what was imported.
            context: What the annotator has drawn so far in interactive mode, else None.
            kwargs: Other parameters of the request, such as `login` and `password`.

        Returns:
            For each task a dict with `result`, a list of regions as Label Studio's
            label config wants them, and `score`, 0..1 or None. A region looks like
                {"from_name": "topic", "to_name": "text", "type": "choices",
                 "value": {"choices": ["Billing"]}}
            The names are those in the project's label config; the helper
            `self.get_first_tag_occurence("Choices", "Text")` looks them up.
        """
        # An empty result is a valid answer: "I looked, and there is nothing to mark".
        return [{"result": [], "score": 0.0} for _ in tasks]

    def train(self, dataset: Dataset, run: Run) -> None:
        """Learn from all annotated tasks; what ends well becomes a new version.

        Args:
            dataset: Annotated tasks; `for task in dataset` gives `task.data` and
                `task.annotations`, `dataset.chosen("text")` texts and their choices.
            run: `run.progress(0.5, "epoch 2/4", loss=0.3)` shows how far it is (and
                stops here when somebody cancels), `run.metrics["accuracy"] = 0.9` is
                kept with the version, and what is written into the folder
                `run.artifacts` comes back in `load`.
        """
        run.progress(1.0, f"looked at {len(dataset)} tasks, learned nothing yet")
