"""`sync` finds the changes that have no webhook, with a real Label Studio."""

import pytest

from tests.labelstudio.conftest import region
from tests.labelstudio.service import wait_for

pytestmark = [pytest.mark.labelstudio, pytest.mark.timeout(600)]


def annotations(service, project):
    return service.rows(
        "SELECT a.* FROM dataset_annotation a JOIN registry_project p"
        " ON p.id = a.project_id WHERE p.labelstudio_id = %s AND a.deleted_at IS NULL"
        " ORDER BY a.annotation_id",
        project,
    )


def tasks(service, project):
    return service.rows(
        "SELECT t.* FROM dataset_task t JOIN registry_project p ON p.id = t.project_id"
        " WHERE p.labelstudio_id = %s AND t.deleted_at IS NULL ORDER BY t.task_id",
        project,
    )


def sync(service, project, *options):
    return service.manage("sync", "--project", str(project), *options)


def test_changes_without_a_webhook_are_found_and_applied(studio, service, new_project):
    project = new_project()
    sync(service, project)
    listed = studio.tasks(project)
    first, second = listed[0]["id"], listed[1]["id"]
    made = studio.call(
        "POST",
        f"/api/tasks/{first}/annotations/",
        body={"result": [region("Positive")]},
    )
    wait_for(lambda: annotations(service, project), what="the annotation")

    studio.call("POST", f"/api/annotations/{made['id']}/convert-to-draft", body={})
    studio.call("PATCH", f"/api/tasks/{second}/", body={"data": {"text": "mended"}})
    brought = {"data": {"text": "x"}, "annotations": [{"result": [region("Negative")]}]}
    studio.call("POST", f"/api/projects/{project}/import", body=[brought])
    # The import's webhook has the task, but not its annotation.
    wait_for(lambda: len(tasks(service, project)) == 31, what="the imported task")

    said = sync(service, project)
    assert "1 annotations removed" in said
    assert "1 tasks changed" in said
    assert "1 annotations added" in said
    assert {row["data"]["text"] for row in tasks(service, project)} >= {"mended", "x"}
    assert "Nothing differed." in sync(service, project)


def test_the_deletion_of_all_tasks_is_found(studio, service, new_project):
    project = new_project()
    sync(service, project)
    studio.call("DELETE", f"/api/projects/{project}/tasks/")
    assert "30 tasks removed" in sync(service, project)
    assert tasks(service, project) == []


def test_since_looks_only_at_what_changed(studio, service, new_project):
    project = new_project()
    sync(service, project)
    changed = studio.tasks(project)[3]
    body = {"data": {"text": "mended"}}
    moment = studio.call("PATCH", f"/api/tasks/{changed['id']}/", body=body)
    said = sync(service, project, "--since", moment["updated_at"], "--page-size", "7")
    assert "Compared 1 tasks" in said
    assert "1 tasks changed" in said


def test_a_webhook_without_payload_makes_the_worker_fetch_what_changed(
    studio, service, new_project
):
    project = new_project()
    sync(service, project)
    [hook] = studio.call("GET", "/api/webhooks/", project=project)
    studio.call("PATCH", f"/api/webhooks/{hook['id']}/", body={"send_payload": False})
    task = studio.tasks(project)[0]["id"]
    body = {"result": [region("Negative")]}
    made = studio.call("POST", f"/api/tasks/{task}/annotations/", body=body)
    [row] = wait_for(lambda: annotations(service, project), what="the annotation")
    assert row["annotation_id"] == made["id"]
    assert row["result"][0]["value"] == {"choices": ["Negative"]}


def test_a_task_id_that_label_studio_reuses_is_a_new_task(studio, service, new_project):
    project = new_project()
    last = max(task["id"] for task in studio.tasks(project))
    wait_for(lambda: tasks(service, project) or sync(service, project), what="tasks")
    studio.call("DELETE", f"/api/tasks/{last}/")
    wait_for(lambda: len(tasks(service, project)) == 29, what="the deletion")
    again = [{"data": {"text": "another"}}]
    studio.call("POST", f"/api/projects/{project}/import", body=again)
    wait_for(lambda: len(tasks(service, project)) == 30, what="the new task")
    assert tasks(service, project)[-1]["data"] == {"text": "another"}


def test_a_bulk_prediction_is_sent_to_label_studio(studio, service, new_project):
    project = new_project()
    sync(service, project)
    said = service.manage("predict", "--project", str(project))
    assert "30 predicted by 0.0.1, 30 sent to Label Studio" in said
    handed = [task["predictions"] for task in studio.tasks(project)]
    assert [len(predictions) for predictions in handed] == [1] * 30
    assert {each["model_version"] for [each] in handed} == {"0.0.1"}
