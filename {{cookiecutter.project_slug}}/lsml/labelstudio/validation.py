"""Checks predictions as Label Studio does, which silently drops those that do not fit.

It uses the same function of label-studio-sdk.
"""

from __future__ import annotations

from lsml.labelstudio.label_config import parse_label_config
from lsml.labelstudio.reading import JsonObject


class PredictionValidator:
    """Says why Label Studio would not store a prediction.

    Args:
        label_config: of the project, as Label Studio has it.

    Raises:
        WireError: the label config cannot be read.
    """

    def __init__(self, label_config: str) -> None:
        # Imported here: it takes half a second, and web processes do not need it.
        from label_studio_sdk.label_interface import LabelInterface

        parse_label_config(label_config)  # refuses entities, which the SDK expands
        self._interface = LabelInterface(label_config)

    def problem(self, prediction: JsonObject) -> str:
        """Return why it does not fit the label config; "" if it does."""
        errors = self._interface.validate_prediction(prediction, return_errors=True)
        return " ".join(map(str, errors)) if isinstance(errors, list) else ""
