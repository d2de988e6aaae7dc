"""A project whose label config has choices, boxes and a text area."""

import pytest

from lsml.labelstudio.identity import ProjectKey
from lsml.registry.services import get_or_create_project, update_project
from tests.db.quality.history import History

CONFIG = (
    '<View><Text name="text" value="$text"/><Image name="image" value="$image"/>'
    '<Choices name="sentiment" toName="text">'
    '<Choice value="Positive"/><Choice value="Negative" alias="neg"/></Choices>'
    '<RectangleLabels name="box" toName="image"><Label value="Car"/></RectangleLabels>'
    '<TextArea name="note" toName="text"/></View>'
)
KEY = "1.1795433940"


@pytest.fixture
def project(origin):
    made = get_or_create_project(ProjectKey.parse(KEY))
    update_project(project=made, origin=origin, label_config=CONFIG)
    return made


def choice(label="Positive", **more):
    return {
        "from_name": "sentiment",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": [label]},
        **more,
    }


def box(**value):
    place = {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0}
    return {
        "from_name": "box",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": 100,
        "original_height": 100,
        "value": {**place, "rectanglelabels": ["Car"], **value},
    }


def note(text):
    return {
        "from_name": "note",
        "to_name": "text",
        "type": "textarea",
        "value": {"text": text},
    }


# Name: the prediction's facts, and a part of the reason.
WRONG = {
    "score above 1": ({"score": 1.2, "result": [choice()]}, "got 1.2"),
    "outside the image": ({"result": [box(x=100.01)]}, "x 100.01 out of bounds"),
    "unknown label": ({"result": [choice("Great")]}, "Great"),
    "value instead of alias": ({"result": [choice("Negative")]}, "Negative"),
    "unknown from_name": ({"result": [choice(from_name="mood")]}, "'mood' not found"),
    "text is no list": ({"result": [note("hi")]}, "'note'"),
}
RIGHT = {
    "a choice": {"score": 1.0, "result": [choice()]},
    "an alias": {"result": [choice("neg")]},
    "a box": {"result": [box(x=100, y=0)]},
    "a text": {"result": [note(["hi"])]},
    "no score": {"score": None, "result": [choice()]},
    "no region": {"result": []},
}


@pytest.fixture
def history(db):
    return History()
