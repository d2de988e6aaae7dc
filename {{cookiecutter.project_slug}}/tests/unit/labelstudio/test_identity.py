"""A project is identified by its ID and the second of its creation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.identity import ProjectKey, unix_second
from lsml.labelstudio.reading import LARGEST_ID

numbers = st.integers(min_value=1, max_value=LARGEST_ID)


@given(numbers, st.none() | numbers)
def test_the_wire_form_reads_back_as_the_same_key(labelstudio_id, stamp):
    key = ProjectKey(labelstudio_id, stamp)
    assert ProjectKey.parse(str(key)) == key


def test_a_plain_id_has_no_stamp():
    assert ProjectKey.parse(1) == ProjectKey.parse("1") == ProjectKey(1, None)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        1.5,
        "",
        "0",
        "1.",
        ".5",
        "1.2.3",
        " 1",
        "\u0661",
        2**63,
        [],
        {},
    ],
)
def test_any_other_form_is_refused(value):
    with pytest.raises(WireError) as refusal:
        ProjectKey.parse(value)
    assert refusal.value.field == "project"


def test_the_stamp_of_a_project_object_is_cut_to_whole_seconds():
    created = {"id": 1, "created_at": "2026-11-23T11:39:00.999999Z"}
    assert ProjectKey.from_project_object(created) == ProjectKey(1, 1795433940)


def test_the_time_zone_of_the_server_does_not_matter():
    assert unix_second("2026-11-23T13:39:00+02:00") == 1795433940


@given(st.text() | st.integers() | st.none() | st.datetimes().map(str))
def test_an_unreadable_creation_time_gives_no_stamp(created_at):
    key = ProjectKey.from_project_object({"id": 1, "created_at": created_at})
    assert key.labelstudio_id == 1


def test_a_project_object_without_an_id_is_refused():
    with pytest.raises(WireError) as refusal:
        ProjectKey.from_project_object({"title": "x"})
    assert refusal.value.field == "project.id"
