"""Which tasks have a version: exactly those, with as few listings as possible."""

import pytest

from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.stored_predictions import StoredPredictions
from tests.studio_stub import studio_stub

IDS = range(1, 21)


@pytest.fixture
def studio():
    with studio_stub("", IDS) as stub:
        yield stub


@pytest.fixture
def stored(studio):
    client = LabelStudio(url=studio.url, api_key="0123456789abcdef")
    return StoredPredictions(client, 1)


@pytest.mark.parametrize(
    ("having", "listed"), [(0, 0), (3, 1), (17, 1), (20, 0)], ids=str
)
def test_the_smaller_part_is_listed_and_nothing_if_all_or_none_have_it(
    studio, stored, having, listed
):
    studio.predictions = [(task, "v1") for task in IDS[:having]]
    found = stored.tasks_with("v1", newest=20)
    assert [task for task in IDS if task in found] == list(IDS[:having])
    assert studio.listed() == listed


def test_a_task_that_came_later_has_none(studio, stored):
    studio.predictions = [(task, "v1") for task in IDS]
    assert 21 not in stored.tasks_with("v1", newest=20)


@pytest.mark.parametrize("version", ["v1", "V1", "v,1", "v" * 400])
def test_a_name_that_is_part_of_another_is_told_apart(studio, stored, version):
    studio.predictions = [(task, f"{version}0") for task in IDS]
    studio.predictions += [(4, version), (5, f"{version}0"), (5, version)]
    found = stored.tasks_with(version, newest=20)
    assert [task for task in IDS if task in found] == [4, 5]
    assert stored.with_version_among(version, range(5, 21)) == {5}


@pytest.mark.parametrize(
    ("having", "listed"), [(0, 0), (3, 1), (17, 2), (20, 1)], ids=str
)
def test_of_some_tasks_those_with_the_version_are_found_without_a_needless_listing(
    studio, stored, having, listed
):
    studio.predictions = [(21, "v1"), *((task, "v1") for task in IDS[:having])]
    assert stored.with_version_among("v1", IDS) == set(IDS[:having])
    assert studio.listed() == listed


def test_among_many_tasks_with_the_version_only_those_without_are_listed(
    studio, stored
):
    lacking = {1, 11, 20}
    studio.predictions = [(task, "v1") for task in IDS if task not in lacking]
    assert stored.with_version_among("v1", lacking) == set()
    assert studio.listed() == 1


def test_a_deleted_task_is_not_among_those_with_the_version(studio, stored):
    studio.tasks -= {7}
    studio.predictions = [(task, "v1") for task in IDS]
    assert stored.with_version_among("v1", IDS) == set(IDS) - {7}


def test_existing_tasks_are_listed_without_asking_a_backend_for_predictions(
    studio, stored
):
    studio.tasks -= {5, 6}
    assert stored.existing_between(first=4, last=8) == {4, 7, 8}
    assert all("review=true" in path for path in studio.paths)


def test_a_deleted_task_has_none(studio, stored):
    studio.predictions = [(1, "v1")]
    assert stored.has("v1", task=1)
    assert not stored.has("v", task=1)
    assert not stored.has("v1", task=99)
