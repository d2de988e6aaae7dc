"""Calls the user's `train` or `fit`, if there is anything to learn."""

from label_studio_ml.hosting import ModelClass, offers_fit, offers_train
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.training import Dataset, Run, numbers
from lsml.training.errors import NotTrainable
from lsml.training.process.inputs import TrainingInputs
from lsml.training.process.legacy import Learned, fit_events
from lsml.training.process.store import RunStore


def nothing_to_learn(
    kind: ModelClass, inputs: TrainingInputs, revision: str
) -> Learned | None:
    """Say why `train` is not called, if it would only repeat the last version.

    Args:
        kind: The user's class. A legacy `fit` learns from events, so it is called.
        inputs: Of the run.
        revision: Of the model's code.
    """
    last = inputs.unchanged_since
    if (
        last is None
        or not offers_train(kind)
        or last.code_revision != revision
        or last.label_config_digest != inputs.project.label_config_digest
    ):
        return None
    note = f"No new version: {last.version} was trained on the same annotations."
    if inputs.held_out:
        note += f" Held-out tasks ({len(inputs.held_out)}) are not trained on."
    return Learned(makes_version=False, note=note)


def learn(
    model: LabelStudioMLBase, run: Run, inputs: TrainingInputs, store: RunStore
) -> Learned:
    """Call the user's `train` or `fit`.

    Raises:
        NotTrainable: There are no annotations, or the model has neither method.
        FitFailed: `fit` raised, and no call returned.
    """
    if offers_train(type(model)):
        dataset = Dataset(
            inputs.tasks,
            label_config=inputs.project.label_config,
            held_out=inputs.held_out,
        )
        if not len(dataset):
            raise NotTrainable(
                "There is nothing to train on: all annotated tasks are held out."
                if dataset.held_out
                else "There is nothing to train on: no annotations so far."
            )
        run.metrics.update(numbers(model.train(dataset, run)))
        return Learned()
    if not offers_fit(type(model)):
        raise NotTrainable("The model has neither train(dataset, run) nor fit().")
    return fit_events(model, run, inputs, store)
