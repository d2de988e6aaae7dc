"""Checks predictions as Label Studio does, which silently drops those that do not fit.

It uses the same function of label-studio-sdk.
"""

from __future__ import annotations

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.label_config import parse_label_config
from lsml.labelstudio.reading import JsonObject


def import_sdk() -> None:
    """Import label-studio-sdk, which takes half a second and 30 MB the first time.

    Never with this module: web processes do not need it.
    """
    import label_studio_sdk.label_interface  # noqa: F401


class PredictionValidator:
    """Says why Label Studio would not store a prediction.

    Args:
        label_config: of the project, as Label Studio has it.

    Raises:
        WireError: the label config cannot be read.
    """

    def __init__(self, label_config: str) -> None:
        from label_studio_sdk.label_interface import LabelInterface

        parse_label_config(label_config)  # refuses entities, which the SDK expands
        try:
            self._interface = LabelInterface(label_config)
        except Exception as error:
            raise WireError(
                "label_config",
                f"label-studio-sdk cannot read the label config: {error}",
            ) from error

    def problems(self, prediction: JsonObject) -> list[str]:
        """Return a sentence for each thing that does not fit the label config."""
        errors = self._interface.validate_prediction(prediction, return_errors=True)
        if not isinstance(errors, list):
            return []
        # The errors of a relation are a list inside the list.
        nested = [each if isinstance(each, list) else [each] for each in errors]
        return [str(error) for each in nested for error in each]

    def problem(self, prediction: JsonObject) -> str:
        """Return why it does not fit the label config; "" if it does."""
        return " ".join(self.problems(prediction))
