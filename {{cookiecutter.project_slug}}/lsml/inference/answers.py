"""Checks what the user's `predict()` returned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from label_studio_ml.answer import Answer, Prediction, UnreadableAnswer
from lsml.inference.errors import ModelError
from lsml.labelstudio.reading import NESTED_MAX, is_nested_too_deeply

_SCORES = (float, int, type(None))
_NUL = b"\\u0000"


@dataclass(frozen=True, slots=True)
class TaskPrediction:
    """One prediction for one task, checked."""

    result: list[Any]  # regions
    score: float | None

    def as_wire(self, model_version: str) -> dict[str, Any]:
        """Return the prediction as Label Studio reads it."""
        return {
            "model_version": model_version,
            "score": self.score,
            "result": self.result,
        }


def answers_one_only(returned: object, *, tasks: Sequence[dict[str, Any]]) -> bool:
    """Whether the model predicts one task at a time, as the reference SDK allows.

    Such a model answers a batch with one prediction.

    Raises:
        ModelError: the answer cannot be read.
    """
    try:
        return Answer.is_for_one_task_of(returned, len(tasks))
    except UnreadableAnswer as error:
        raise ModelError(f"{error}.") from error


def read_answer(
    returned: object, *, tasks: Sequence[dict[str, Any]]
) -> list[list[TaskPrediction]]:
    """Return the predictions of each task, in the tasks' order; [] = none.

    Raises:
        ModelError: the sentence names what is wrong, and for which task.
    """
    try:
        by_task = Answer.read(returned, model_version=None).by_task(len(tasks))
    except UnreadableAnswer as error:
        raise ModelError(f"{error}.") from error
    return [
        [
            _checked(prediction, task, number)
            for prediction in predictions
            if prediction.get("result") is not None
        ]
        for number, (task, predictions) in enumerate(
            zip(tasks, by_task, strict=True), start=1
        )
    ]


def _checked(
    prediction: Prediction, task: dict[str, Any], number: int
) -> TaskPrediction:
    result, score = prediction["result"], prediction.get("score")
    if not isinstance(result, list):
        raise ModelError(
            f"predict() returned a `result` of type {type(result).__name__} for"
            f" {_place(task, number)}; expected a list of regions."
        )
    for region in result:
        if not isinstance(region, dict):
            raise ModelError(
                f"predict() returned a `result` for {_place(task, number)} with a"
                " region that is not a JSON object."
            )
    if isinstance(score, bool) or not isinstance(score, _SCORES):
        raise ModelError(
            f"predict() returned the score {score!r:.100} for {_place(task, number)};"
            " expected a number or null."
        )
    try:
        as_float = None if score is None else float(score)
    except OverflowError as error:
        raise ModelError(
            f"predict() returned a score for {_place(task, number)} that is too large."
        ) from error
    return TaskPrediction(_storable(result), as_float)


def _place(task: dict[str, Any], number: int) -> str:
    return f"task {task.get('id')} (number {number})"


def _storable(result: list[Any]) -> list[Any]:
    """Replace NUL characters, which OCR output may contain: jsonb refuses them."""
    try:
        encoded = orjson.dumps(result)
    except TypeError as error:
        raise ModelError(
            f"predict() returned a `result` that cannot be written as JSON: {error}."
        ) from error
    if is_nested_too_deeply(result, encoded):
        raise ModelError(
            "predict() returned a `result` that is nested too deeply: at most"
            f" {NESTED_MAX} levels."
        )
    if _NUL not in encoded:
        return result
    replaced: list[Any] = orjson.loads(encoded.replace(_NUL, b"\\ufffd"))
    return replaced
