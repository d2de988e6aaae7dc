"""Every shape that predict() may return is read."""

import json
import math
from enum import Enum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk.label_interface import LabelInterface
from label_studio_sdk.label_interface.objects import PredictionValue
from pydantic import BaseModel, ValidationError
from semver import Version

from label_studio_ml.answer import Answer, UnreadableAnswer, json_safe
from label_studio_ml.response import ModelResponse

REGION = {
    "from_name": "s",
    "to_name": "t",
    "type": "choices",
    "value": {"choices": ["A"]},
}
CONFIG = """<View><Text name="t" value="$t"/>
<Choices name="s" toName="t"><Choice value="A"/></Choices></View>"""


def prediction(**more):
    return {"result": [REGION], "score": 0.5, "model_version": "v1"} | more


def read(returned, version="v9"):
    return Answer.read(returned, model_version=version)


def test_a_response_converts_dicts_and_keeps_prediction_values():
    mine = PredictionValue(result=[])
    response = ModelResponse(predictions=[mine, prediction(), [prediction()]])
    assert response.predictions[0] is mine
    assert isinstance(response.predictions[1], PredictionValue)
    assert isinstance(response.predictions[2][0], PredictionValue)
    assert isinstance(response, BaseModel)


@pytest.mark.parametrize("wrong", [{}, {"score": 1}, 3, "text"], ids=repr)
def test_a_response_refuses_values_that_are_not_predictions(wrong):
    with pytest.raises(ValidationError):
        ModelResponse(predictions=[wrong])


def test_a_version_is_set_on_predictions_that_have_none():
    response = ModelResponse(
        predictions=[
            PredictionValue(model_version="own", result=[]),
            PredictionValue(result=[]),
            [PredictionValue(result=[])],
        ]
    )
    assert not response.has_model_version()
    response.set_version("2.0")
    assert response.has_model_version()
    dumped = response.model_dump()
    own, given, several = dumped["predictions"]
    assert dumped["model_version"] == "2.0"
    assert [own["model_version"], given["model_version"]] == ["own", "2.0"]
    assert several == [{"model_version": "2.0", "score": 0.0, "result": []}]


def test_a_response_accepts_a_semver_version():
    response = ModelResponse(predictions=[], model_version=Version(0, 1, 0))
    assert response.model_version == "0.1.0"


@pytest.mark.parametrize(
    ("returned", "results"),
    [
        ([prediction()], [prediction()]),
        ({"predictions": [prediction()]}, [prediction()]),
        ({"result": [REGION], "score": 0.5, "model_version": "v1"}, [prediction()]),
        ([[prediction(), prediction()]], [[prediction(), prediction()]]),
        ([[], [prediction()]], [[], [prediction()]]),
        ((prediction(),), [prediction()]),
        ([{}], [{}]),
        ([], []),
        (None, []),
    ],
    ids=[
        "list of dicts",
        "dict with predictions",
        "one prediction",
        "several per task",
        "none for the first task",
        "tuple",
        "empty dict",
        "empty list",
        "None",
    ],
)
def test_each_legacy_shape_is_read(returned, results):
    assert read(returned).results == results


def test_a_response_is_read_as_a_list():
    returned = ModelResponse(predictions=[prediction(), [prediction()]])
    assert read(returned).results == [prediction(), [prediction()]]


@pytest.mark.filterwarnings("ignore:The `dict` method")  # label-studio-sdk's own
def test_prediction_values_and_regions_are_read_from_a_plain_list():
    choices = LabelInterface(CONFIG).get_control("s")
    value = PredictionValue(result=[choices.label(["A"])], score=0.5)
    (found,) = read([value]).results
    assert found["result"][0]["value"] == {"choices": ["A"]}
    (bare,) = read([{"result": [choices.label(["A"])]}]).results
    assert bare["result"][0]["value"] == {"choices": ["A"]}


@pytest.mark.parametrize(
    ("returned", "versions"),
    [
        ([{"result": []}, prediction()], ["v9", "v1"]),
        (ModelResponse(predictions=[{"result": []}]), ["v9"]),
        (ModelResponse(predictions=[{"result": []}], model_version="r1"), ["r1"]),
        ([prediction(model_version=Version(0, 0, 1))], ["0.0.1"]),
        ([prediction(model_version=3)], ["3"]),
    ],
    ids=["missing", "response without", "response with", "semantic", "number"],
)
def test_the_version_of_the_prediction_wins_then_the_responses_then_the_default(
    returned, versions
):
    assert [each["model_version"] for each in read(returned).results] == versions


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        ("text", "returned str 'text'; expected a list"),
        (3, "returned int '3'; expected a list"),
        ({"predictions": "x"}, "returned str 'x'; expected a list"),
        ([prediction(), None], "returned NoneType 'None' for task number 2"),
        ([["x"]], "returned str 'x' for task number 1"),
    ],
)
def test_anything_else_is_refused_and_the_message_quotes_it(returned, sentence):
    with pytest.raises(UnreadableAnswer, match=sentence):
        read(returned)


def test_predictions_align_with_tasks():
    answer = read([prediction(), [], [prediction(), prediction()]])
    assert [len(each) for each in answer.by_task(3)] == [1, 0, 2]


def test_no_predictions_at_all_give_every_task_an_empty_list():
    assert read(None).by_task(2) == [[], []]


def test_too_few_predictions_are_refused():
    with pytest.raises(UnreadableAnswer, match="1 predictions for 2 tasks"):
        read([prediction()]).by_task(2)


@pytest.mark.parametrize(
    ("returned", "tasks", "for_one"),
    [
        ([prediction()], 2, True),
        ([[prediction(), prediction()]], 2, True),
        ([prediction()], 1, False),
        ([], 2, False),
        ([prediction(), prediction()], 3, False),
    ],
)
def test_one_result_for_several_tasks_differs_from_too_few(returned, tasks, for_one):
    assert Answer.is_for_one_task_of(returned, tasks) is for_one


def test_an_answer_that_contains_itself_is_refused():
    endless = prediction()
    endless["result"] = [endless]
    with pytest.raises(UnreadableAnswer, match="contains itself"):
        read([endless])


def test_numpy_values_and_infinite_numbers_become_plain_json():
    score = {"score": np.float32(0.5), "other": math.nan, "mask": np.array([[1, 2]])}
    assert json_safe(score) == {"score": 0.5, "other": None, "mask": [[1, 2]]}


class Percent(float):
    pass


class Color(Enum):
    RED = "red"


@pytest.mark.parametrize("key", ["a", 0], ids=["text", "number"])
def test_numbers_and_enums_are_read_alike_whatever_is_beside_them(key):
    read_as = json_safe({key: "", "share": Percent(0.5), "color": Color.RED})
    assert read_as == {str(key): "", "share": 0.5, "color": "red"}


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner)
    ),
    max_leaves=20,
)


@given(anything)
def test_any_return_value_is_read_as_json_or_refused(returned):
    try:
        answer = read(returned)
    except UnreadableAnswer:
        return
    json.dumps(answer.results, allow_nan=False)
