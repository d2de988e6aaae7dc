"""`ModelResponse`, one of the shapes that `predict` may return."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, field_validator

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class ModelResponse(BaseModel):
    """Predictions for the tasks of one request, in the order of the tasks.

    Each item is a `PredictionValue` of label-studio-sdk, or a list of them if a task
    has several predictions. Dicts are converted.
    """

    # Without "model_", which pydantic reserves: the wire has a field `model_version`.
    model_config = ConfigDict(protected_namespaces=("__", "_"))

    model_version: str | None = None
    predictions: list[Any]

    @field_validator("model_version", mode="before")
    @classmethod
    def _as_text(cls, version: object) -> str | None:
        # A model may pass self.model_version, which can be a semver.Version.
        return None if version is None else str(version)

    @field_validator("predictions")
    @classmethod
    def _as_prediction_values(cls, predictions: list[Any]) -> list[Any]:
        return _predictions_type().validate_python(predictions)

    def has_model_version(self) -> bool:
        """Return whether the whole response has a version."""
        return bool(self.model_version)

    def update_predictions_version(self) -> None:
        """Set the response's version on each prediction that has none."""
        for item in self.predictions:
            for prediction in item if isinstance(item, list) else [item]:
                if not prediction.model_version:
                    prediction.model_version = self.model_version

    def set_version(self, version: str) -> None:
        """Set the version of the response and of each prediction that has none."""
        self.model_version = version
        self.update_predictions_version()


@cache
def _predictions_type() -> TypeAdapter[list[Any]]:
    # Imported here: label_studio_sdk's label interface takes seconds to import.
    from label_studio_sdk.label_interface.objects import PredictionValue
    from pydantic import TypeAdapter

    return TypeAdapter(list[list[PredictionValue] | PredictionValue])
