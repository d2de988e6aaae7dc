"""What Label Studio would drop is named before it is sent."""

import pytest

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.validation import PredictionValidator

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="sentiment" toName="text">'
    '<Choice value="Positive"/></Choices></View>'
)


def problem(*, score=0.5, **region):
    whole = {"from_name": "sentiment", "to_name": "text", "type": "choices"}
    whole |= {"value": {"choices": ["Positive"]}} | region
    return PredictionValidator(CONFIG).problem({"score": score, "result": [whole]})


def test_what_fits_has_no_problem():
    assert problem() == ""
    assert problem(score=None) == ""
    assert PredictionValidator(CONFIG).problem({"score": 1, "result": []}) == ""


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"score": 1.5}, "1.5"),
        ({"from_name": "other"}, "other"),
        ({"value": {"choices": ["Wrong"]}}, "Wrong"),
        ({"type": 7}, "Unexpected error"),
        ({"from_name": []}, "[]"),
    ],
)
def test_what_does_not_fit_is_named(wrong, named):
    assert named in problem(**wrong)


def test_each_problem_of_a_relation_is_a_sentence():
    relation = {"type": "relation", "from_id": "a", "to_id": "b"}
    found = PredictionValidator(CONFIG).problems({"result": [relation]})
    assert found
    assert all(sentence.startswith("Relation 0: ") for sentence in found)


def test_a_label_config_with_entities_is_refused():
    entity = '<!DOCTYPE v [<!ENTITY a "b">]>'
    with pytest.raises(WireError):
        PredictionValidator(entity + CONFIG)


def test_a_label_config_that_only_the_sdk_cannot_read_is_refused():
    with pytest.raises(WireError, match="label-studio-sdk cannot read"):
        PredictionValidator("\n<?xml version='1.0'?>" + CONFIG)
