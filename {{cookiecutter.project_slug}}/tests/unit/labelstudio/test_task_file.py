"""Files of tasks, as Label Studio imports and exports them."""

import json

import pytest

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.task_file import read_tasks


@pytest.mark.parametrize(
    ("content", "tasks"),
    [
        ([{"id": 7, "data": {"a": 1}}], [{"id": 7, "data": {"a": 1}}]),
        (
            [{"a": 1}, {"data": {"a": 2}}],
            [{"id": 1, "data": {"a": 1}}, {"id": 2, "data": {"a": 2}}],
        ),
        ({"data": "text"}, [{"id": 1, "data": {"data": "text"}}]),
        ([{"id": 7, "data": {}, "annotations": [1]}], [{"id": 7, "data": {}}]),
        ([], []),
    ],
)
def test_tasks_are_read_with_and_without_data_around_them(content, tasks):
    assert read_tasks(json.dumps(content).encode()) == tasks


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "not JSON"), (b"<xml>", "not JSON"), (b'[{}, "b"]', "Task 2 is not")],
)
def test_a_file_of_something_else_is_refused(content, sentence):
    with pytest.raises(WireError, match=sentence):
        read_tasks(content)
