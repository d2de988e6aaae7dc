"""What `predict` returned, read for its callers. Quick to import.

`Answer.read` accepts every shape that the reference SDK accepts.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from .response import ModelResponse

Prediction = dict[str, Any]
TaskResult = Prediction | list[Prediction]

_JSON_AS_IS = {int, str, bool, type(None)}
_AS_STRINGS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


class UnreadableAnswer(TypeError):
    """`predict` returned something that cannot be read as predictions."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The return value of `predict` as JSON-safe data.

    `results` keeps the shape that the model chose, because Label Studio accepts both:
    one item per task, each a prediction or a list of predictions.
    """

    results: list[TaskResult]

    @staticmethod
    def is_for_one_task_of(returned: object, task_count: int) -> bool:
        """Return whether `predict` gave one result for several tasks.

        This is how a model says that it does not support batches. Label Studio then
        sends each task in a request of its own.
        """
        return task_count > 1 and len(_items(returned)) == 1

    @classmethod
    def read(cls, returned: object, *, model_version: str | None) -> Answer:
        """Read any shape the reference SDK accepts.

        Args:
            returned: A list of dicts, a list of lists of dicts, a dict with
                `predictions`, a `ModelResponse`, or None.
            model_version: Version of the predictions that have none.

        Raises:
            UnreadableAnswer: It has another shape, which the message describes.
        """
        if _is_model_response(returned):
            model_version = returned.model_version or model_version
        try:
            plain = json_safe(list(_items(returned)))
        except RecursionError as error:
            raise UnreadableAnswer(
                "predict() returned a value that contains itself or is nested too "
                "deeply: return plain lists and dicts."
            ) from error
        return cls(
            [
                [_prediction(one, number, model_version) for one in item]
                if isinstance(item, list)
                else _prediction(item, number, model_version)
                for number, item in enumerate(plain, start=1)
            ]
        )

    def by_task(self, task_count: int) -> list[list[Prediction]]:
        """Return the predictions of each task, in the order of the tasks.

        If there are no results at all, each task gets an empty list.

        Raises:
            UnreadableAnswer: There are more or fewer items than tasks.
        """
        if not self.results:
            return [[] for _ in range(task_count)]
        if len(self.results) != task_count:
            given = len(self.results)
            raise UnreadableAnswer(
                f"predict() returned {given} predictions for {task_count} tasks: return"
                " one item per task, in the order of the tasks."
            )
        return [item if isinstance(item, list) else [item] for item in self.results]


def _is_model_response(returned: object) -> TypeIs[ModelResponse]:
    # Without importing it: pydantic takes a tenth of a second, in each process. A model
    # that returns one has imported it.
    module = sys.modules.get(f"{__package__}.response")
    return module is not None and isinstance(returned, module.ModelResponse)


def _items(returned: object) -> Sequence[object]:
    if returned is None:
        return []
    if _is_model_response(returned):
        return returned.predictions
    if isinstance(returned, Mapping):
        returned = returned.get("predictions", [returned])
    if isinstance(returned, Sequence) and not isinstance(returned, (str, bytes)):
        return returned
    raise UnreadableAnswer(
        f"predict() returned {_name(returned)}; expected a list with one item per "
        "task, a dict with 'predictions', a ModelResponse or None."
    )


def _prediction(item: object, number: int, version: str | None) -> Prediction:
    if not isinstance(item, dict):
        raise UnreadableAnswer(
            f"predict() returned {_name(item)} for task number {number}; "
            "expected a dict with 'result'."
        )
    if item:  # the reference's examples return {} for a task without a prediction
        given = item.get("model_version") or version
        item["model_version"] = None if given is None else str(given)
    return item


def json_safe(value: object) -> Any:
    """Convert a value to plain JSON values.

    pydantic models and Label Studio regions become dicts, NumPy values plain numbers
    and lists, numbers that are not finite None, and all other objects strings.
    """
    try:
        encoded = orjson.dumps(value, default=_plain_object, option=_AS_STRINGS)
    except orjson.JSONEncodeError:
        # Some values have no JSON, such as a key that is a number. Others must be kept
        # for the message about them.
        return _plain(value)
    return orjson.loads(encoded)


def _plain(value: object) -> Any:
    if isinstance(value, Enum):
        value = value.value  # as orjson
    if isinstance(value, (str, int)) or value is None:
        return value
    if isinstance(
        value, dict
    ):  # before Mapping: asking for that takes ten times longer
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (list, tuple, set, frozenset)):
        if set(map(type, value)) <= _JSON_AS_IS:  # fast: masks have a million numbers
            return list(value)
        return [_plain(item) for item in value]
    return _plain_object(value)


def _plain_object(value: object) -> Any:
    if isinstance(value, (float, tuple, set, frozenset)):
        return _plain(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "_dict"):  # label_studio_sdk's Region, which is a pydantic model
        return _plain(value._dict())
    if hasattr(value, "model_dump"):  # other pydantic models
        return _plain(value.model_dump())
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays, torch's tensors
        return _plain(value.tolist())
    return str(value)


def _name(value: object) -> str:
    return f"{type(value).__name__} {str(value)[:80]!r}"
