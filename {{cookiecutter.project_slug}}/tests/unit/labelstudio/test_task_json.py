"""Task and annotation JSON is read or skipped, whatever its content."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsml.labelstudio.identity import unix_second
from lsml.labelstudio.reading import as_time
from lsml.labelstudio.task_json import (
    AnnotationState,
    TaskState,
    nested_annotations,
)

WEBHOOKS = Path(__file__).parents[2] / "protocol" / "webhook"
RECEIVED_AT = datetime(2026, 11, 23, 13, tzinfo=UTC)

# Values that json.loads can return, including NaN and numbers of any size.
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
_DATES = (
    st.datetimes(timezones=st.timezones() | st.none()).map(datetime.isoformat)
    | st.sampled_from(
        ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-W48", "24:00"]
    )
    | _JSON
)
_FIELDS = {
    "id": st.integers(0, 9) | _JSON,
    "task": _JSON,
    "data": st.dictionaries(st.text(max_size=8), _JSON, max_size=3) | _JSON,
    "meta": _JSON,
    "result": st.lists(_JSON, max_size=3) | _JSON,
    "completed_by": st.fixed_dictionaries({"id": _JSON}) | _JSON,
    "lead_time": _JSON,
    "parent_prediction": _JSON,
    "was_cancelled": _JSON,
    "ground_truth": _JSON,
    "created_at": _DATES,
    "updated_at": _DATES,
    "annotations": _JSON,
}
_OBJECTS = st.fixed_dictionaries({}, optional=_FIELDS)


def recorded(name):
    return json.loads((WEBHOOKS / f"{name}.json").read_text())["request"]


def test_a_recorded_task_is_read():
    sent = recorded("annotation_created")["task"]
    task = TaskState.read(sent, undated=RECEIVED_AT)
    assert (task.task_id, task.data, task.meta) == (
        sent["id"],
        sent["data"],
        sent["meta"],
    )
    assert task.created_at == datetime.fromisoformat(sent["created_at"])
    assert task.updated_at == datetime.fromisoformat(sent["updated_at"])


def test_a_recorded_annotation_is_read():
    sent = recorded("annotation_created")["annotation"]
    annotation = AnnotationState.read(sent, undated=RECEIVED_AT)
    assert (annotation.annotation_id, annotation.task_id) == (sent["id"], sent["task"])
    assert (annotation.result, annotation.lead_time) == (
        sent["result"],
        sent["lead_time"],
    )
    assert annotation.updated_at == datetime.fromisoformat(sent["updated_at"])


@given(_OBJECTS)
def test_any_task_is_read_or_skipped(sent):
    task = TaskState.read(sent, undated=RECEIVED_AT)
    assert task is None or isinstance(task.data, dict)
    assert task is None or isinstance(task.meta, dict)
    assert task is None or task.updated_at.utcoffset().total_seconds() == 0


@given(_OBJECTS)
def test_any_annotation_is_read_or_skipped(sent):
    annotation = AnnotationState.read(sent, undated=RECEIVED_AT)
    assert annotation is None or isinstance(annotation.result, list)
    assert annotation is None or annotation.updated_at.utcoffset().total_seconds() == 0


@given(st.lists(_OBJECTS, max_size=3))
def test_annotations_inside_any_task_are_found(tasks):
    for annotation in nested_annotations(tasks):
        AnnotationState.read(annotation, undated=RECEIVED_AT)


@given(_DATES)
def test_any_date_is_read_in_utc_or_not_at_all(value):
    moment = as_time(value)
    assert moment is None or moment.tzinfo is UTC
    stamp = unix_second(value)
    assert stamp is None or stamp >= 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T12:00:00Z", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23T14:00:00+02:00", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23T12:00:00", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("yesterday", None),
        ("9999-12-31T23:59:59-23:59", None),
        (1795433940, None),
    ],
)
def test_a_date_without_an_offset_is_utc(text, expected):
    assert as_time(text) == expected


def test_a_task_without_data_is_skipped_unless_it_was_deleted():
    assert TaskState.read({"id": 1}, undated=RECEIVED_AT) is None
    deleted = TaskState.read({"id": 1}, undated=RECEIVED_AT, deleted_at=RECEIVED_AT)
    assert (deleted.task_id, deleted.data) == (1, {})


def test_an_annotator_is_read_from_an_id_or_an_object():
    for sent in (4, {"id": 4, "email": "a@b.example"}):
        annotation = {"id": 1, "completed_by": sent}
        assert AnnotationState.read(annotation, undated=RECEIVED_AT).completed_by == 4


def test_secrets_are_masked():
    sent = {"id": 1, "data": {"image": "http://me:geheim@host/x.png"}}
    task = TaskState.read(sent, undated=RECEIVED_AT)
    assert task.data == {"image": "http://***@host/x.png"}
