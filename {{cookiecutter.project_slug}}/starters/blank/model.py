"""Your model: the only file that you need to write.

Label Studio sends tasks and `predict` answers them. Annotators correct the answers, and
`train` learns from their annotations. The service does everything else.
"""

from pathlib import Path
from typing import Any

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.training import Dataset, Run


class MyModel(LabelStudioMLBase):
    """Describe here what the model does. The admin shows it next to the version."""

    # How many predict() calls may run at once in a process. Keep 1 for a model that is
    # not thread-safe or that fills the memory of a GPU.
    concurrency = 1

    # Optional, for large or interactive models: `batch_size`, `load_shared`,
    # `self.task_cache` and `prefetch`; and `embed`, to find tasks that differ.
    # docs/sdk.md has an example of each.

    def load(self, artifacts: Path) -> None:
        """Read what `train` wrote. Called once per process and version.

        For example `self.net = torch.load(artifacts / "net.pt")`.
        It is not called before the first training. A pretrained model reads its weights
        in `setup(self)` instead.
        """

    def predict(
        self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        """Return one prediction for each task, in their order.

        Args:
            tasks: Label Studio's tasks. `task["data"]` has the imported values.
            context: In interactive mode, what the annotator has drawn; else None.
            kwargs: Other parameters of the request, such as `login` and `password`.

        Returns:
            For each task a dict with `result`, a list of regions, and `score`: how
            certain the model is of the whole task, 0..1, or None. The lowest scores
            are labelled first; `label_studio_ml.scores` computes them from class
            probabilities. A region looks like
                {"from_name": "topic", "to_name": "text", "type": "choices",
                 "value": {"choices": ["Billing"]}}
            The names must be those of the project's label config.
            `self.get_first_tag_occurence("Choices", "Text")` returns them.
        """
        # An empty result is valid: the model found nothing to mark.
        return [{"result": [], "score": 0.0} for _ in tasks]

    def train(self, dataset: Dataset, run: Run) -> None:
        """Learn from all annotated tasks. A run that succeeds gives a new version.

        Args:
            dataset: Annotated tasks. `for task in dataset` gives `task.data` and
                `task.annotations`; `dataset.chosen("text")` gives texts and choices.
            run: `run.progress(0.5, "epoch 2/4", loss=0.3)` reports progress, and stops
                the training if someone cancelled it. `run.metrics["accuracy"] = 0.9`
                is stored with the version. Files in the folder `run.artifacts` are
                passed to `load`.
        """
        run.progress(1.0, f"saw {len(dataset)} tasks, but train() is not written yet")
