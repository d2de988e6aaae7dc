"""Webhooks with singular and plural keys are read into one form."""

import json
from pathlib import Path

import pytest

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.webhooks import WebhookRequest, without_tasks

WEBHOOKS = Path(__file__).parents[2] / "protocol" / "webhook"


def recorded(name):
    return json.loads((WEBHOOKS / f"{name}.json").read_text())["request"]


def read(name):
    return WebhookRequest.parse(recorded(name))


@pytest.mark.parametrize("name", ["annotation_created", "annotation_updated"])
def test_one_annotation_arrives_as_a_list_of_one_with_its_task(name):
    event = read(name)
    [annotation] = event.annotations
    [task] = event.tasks
    assert annotation["task"] == task["id"] == event.task_id
    assert event.annotation_ids == [annotation["id"]]
    assert event.affects_dataset
    assert not event.starts_training


def test_bulk_annotations_are_lists_under_singular_keys():
    sent = recorded("annotations_created")
    assert isinstance(sent["annotation"], list)
    assert read("annotations_created").annotations == sent["annotation"]


def test_deletions_carry_ids_only():
    event = read("annotations_deleted")
    assert event.annotation_ids == [event.annotations[0]["id"]]
    assert event.task_id is None
    assert read("tasks_deleted").task_ids


def test_the_project_key_equals_the_key_in_setup():
    setup = json.loads((WEBHOOKS.parent / "setup/setup.json").read_text())["request"]
    assert str(read("annotation_created").project) == setup["project"]


def test_start_training_carries_the_label_config_and_no_annotation():
    event = read("start_training")
    assert event.starts_training
    assert not event.affects_dataset
    assert event.label_config.startswith("<View>")


def test_project_updated_carries_the_label_config():
    assert "Neutral" in read("project_updated").label_config


def test_a_webhook_without_payload_carries_only_the_action():
    event = read("without_payload")
    assert event.lacks_payload
    assert event.project is None


def test_the_header_set_by_connect_names_the_project_of_an_empty_payload():
    sent = recorded("without_payload")
    event = WebhookRequest.parse(sent, named_project="3.1795433940")
    assert event.project == ProjectKey(3, 1795433940)
    assert WebhookRequest.parse(sent, named_project="nonsense").project is None


def test_the_payload_takes_precedence_over_the_header():
    event = WebhookRequest.parse(recorded("annotation_created"), named_project="9.9")
    assert event.project.labelstudio_id == 1


def test_a_webhook_with_payload_is_recognised():
    assert not read("annotation_created").lacks_payload
    assert not read("start_training").lacks_payload


def test_a_deleted_project_is_identified_by_its_id():
    assert read("project_deleted").project == ProjectKey(1)


def test_the_project_id_of_an_annotation_is_used_if_no_project_is_sent():
    event = WebhookRequest.parse(
        {"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "project": 7}}
    )
    assert event.project == ProjectKey(7)


def test_an_unknown_action_with_unusable_fields_is_still_an_event():
    event = WebhookRequest.parse({"action": "NEW", "project": [], "tasks": "x"})
    assert event.action == "NEW"
    assert event.project is None
    assert event.tasks == []


@pytest.mark.parametrize("body", [None, [], "x", {}, {"action": 3}, {"action": ""}])
def test_a_body_without_an_action_is_refused(body):
    with pytest.raises(WireError):
        WebhookRequest.parse(body)


@pytest.mark.parametrize("name", ["annotation_created", "tasks_deleted"])
def test_nothing_is_left_of_an_event_without_its_only_tasks(name):
    assert without_tasks(recorded(name), lambda task_id: True) is None


def test_other_tasks_and_their_annotations_stay():
    sent = {
        "action": "ANNOTATIONS_CREATED",
        "annotation": [{"id": 10, "task": 1}, {"id": 20, "task": 2}],
        "task": [{"id": 1}, {"id": 2}],
    }
    assert without_tasks(sent, lambda task_id: task_id == 1) == {
        "action": "ANNOTATIONS_CREATED",
        "annotation": [{"id": 20, "task": 2}],
        "task": [{"id": 2}],
    }


@pytest.mark.parametrize("name", ["start_training", "annotations_deleted"])
def test_an_event_that_names_no_task_stays_whatever_is_left_out(name):
    assert without_tasks(recorded(name), lambda task_id: True) == recorded(name)
