"""From `connect` to predictions by a trained version, with a real Label Studio."""

import base64
import json

import pytest

from lsml.labelstudio.identity import ProjectKey
from tests.labelstudio.conftest import TEXTS, region
from tests.labelstudio.service import PASSWORD, USER, wait_for

pytestmark = [pytest.mark.labelstudio, pytest.mark.timeout(600)]


def as_json(value):
    return json.dumps(value, sort_keys=True)  # PostgreSQL keeps keys in its own order


def as_sent(rows):
    """Return what was sent according to the audit rows, in the form of `as_stored`."""
    return sorted(
        (row["task_id"], row["model_version"], row["score"], as_json(row["result"]))
        for row in rows
        if row["kind"] == "batch"
    )


def as_stored(tasks, version):
    return sorted(
        (task["id"], each["model_version"], each["score"], as_json(each["result"]))
        for task in tasks
        for each in task["predictions"]
        if each["model_version"] == version
    )


def test_the_backend_is_connected_with_its_credentials(connected, service):
    backend = connected.backend
    assert backend["state"] == "CO"
    assert backend["url"] == service.url
    assert backend["is_interactive"]
    assert backend["basic_auth_user"] == USER
    assert "A webhook arrived." in connected.said
    assert "works through Label Studio" in connected.said


def test_the_webhook_carries_the_credentials_label_studio_leaves_out(connected):
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert connected.hook["headers"]["Authorization"] == f"Basic {basic}"


def test_the_project_is_known_by_id_and_creation_stamp(connected, studio):
    project = studio.call("GET", f"/api/projects/{connected.project}/")
    key = ProjectKey.from_project_object(project)
    assert connected.row["created_stamp"] == key.created_stamp


def test_connecting_twice_changes_nothing(connected, studio, service):
    def state():
        return [
            studio.call("GET", "/api/webhooks/", project=connected.project),
            studio.call("GET", f"/api/projects/{connected.project}/")["created_at"],
            [
                each | {"updated_at": None, "model_version": None}
                for each in studio.call("GET", "/api/ml", project=connected.project)
            ],
        ]

    before = state()
    said = service.manage("connect", "--project", str(connected.project))
    assert "is already connected" in said
    assert state() == before


def test_every_task_has_one_prediction_by_the_version_of_setup(predicted, connected):
    assert len(predicted.tasks) == len(TEXTS)
    for task in predicted.tasks:
        versions = [each["model_version"] for each in task["predictions"]]
        assert versions == [connected.backend["model_version"]]


def test_the_audit_log_holds_exactly_what_label_studio_stored(predicted, connected):
    stored = as_stored(predicted.tasks, connected.backend["model_version"])
    assert as_sent(predicted.rows) == stored


def test_an_interactive_request_is_answered_and_recorded_whole(
    studio, service, connected, predicted
):
    task = predicted.tasks[0]["id"]
    context = {"result": [region("Positive") | {"id": "draft1"}], "draft_id": 5}
    answer = studio.call(
        "POST",
        f"/api/ml/{connected.backend['id']}/interactive-annotating",
        body={"task": task, "context": context},
    )
    assert answer["data"]["result"]
    [row] = service.rows("SELECT * FROM audit_prediction WHERE kind = 'interactive'")
    assert row["task_id"] == task
    assert row["context"] == context
    assert row["client"].startswith(USER)
    assert row["result"] == answer["data"]["result"]


def test_each_action_of_an_annotator_is_an_event_in_its_order(
    annotated, service, connected
):
    rows = service.rows(
        "SELECT action, annotation_ids FROM audit_webhookevent"
        " WHERE project_pk = %s AND annotation_ids && %s::bigint[] ORDER BY id",
        connected.row["id"],
        annotated.numbers,
    )
    recorded = [(row["action"], row["annotation_ids"][0]) for row in rows]
    assert recorded[: len(annotated.events)] == annotated.events


def test_no_secret_of_the_project_is_in_the_audit_log(annotated, service, studio):
    [found] = service.rows(
        "SELECT count(*) AS n FROM audit_webhookevent WHERE payload::text LIKE %s",
        f"%{studio.token}%",
    )
    tokens = service.rows(
        "SELECT DISTINCT payload->'project'->>'token' AS token FROM audit_webhookevent"
        " WHERE payload->'project' ? 'token'"
    )
    assert found["n"] == 0
    assert {row["token"] for row in tokens} <= {"***", "", None}


def test_the_dataset_holds_the_annotations_label_studio_holds(
    annotated, service, studio, connected
):
    there = {
        annotation["id"]: (annotation["was_cancelled"], annotation["result"])
        for task in studio.tasks(connected.project)
        for annotation in task["annotations"]
        if annotation["id"] in annotated.numbers
    }

    def same():
        rows = service.rows(
            "SELECT * FROM dataset_annotation WHERE project_id = %s"
            " AND annotation_id = ANY(%s) AND deleted_at IS NULL",
            connected.row["id"],
            annotated.numbers,
        )
        here = {
            row["annotation_id"]: (row["was_cancelled"], row["result"]) for row in rows
        }
        return here == there

    assert wait_for(same, what="the dataset")


def test_a_trained_version_is_seen_by_versions_and_by_label_studio(trained, service):
    assert trained.version in trained.versions
    assert trained.version in service.http.get("/versions").json()["versions"]


def test_the_new_version_predicts_every_task_once_more(predicted_again, trained):
    for task in predicted_again.tasks:
        versions = [each["model_version"] for each in task["predictions"]]
        assert versions.count(trained.version) == 1
        assert versions.count(trained.before) <= 1


def test_the_audit_log_of_the_new_version_is_what_label_studio_stored(
    predicted_again, trained
):
    stored = as_stored(predicted_again.tasks, trained.version)
    assert as_sent(predicted_again.rows) == stored


def test_the_new_version_has_learned(predicted_again, trained):
    right = 0
    held_out = predicted_again.tasks[20:]
    for task in held_out:
        [prediction] = [
            each
            for each in task["predictions"]
            if each["model_version"] == trained.version
        ]
        position = TEXTS.index(task["data"]["text"])
        wanted = "Positive" if position % 10 < 5 else "Negative"
        right += prediction["result"][0]["value"]["choices"] == [wanted]
    assert right >= 0.7 * len(held_out)
