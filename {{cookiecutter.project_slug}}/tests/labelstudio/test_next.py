"""`next` with a real Label Studio: the order of its scores, and links to its tasks."""

import json

import pytest

from tests.labelstudio.conftest import CONFIG, GOOD, TEXTS, region
from tests.labelstudio.service import wait_for

pytestmark = [pytest.mark.labelstudio, pytest.mark.timeout(600)]


@pytest.fixture
def project(studio, service):
    """A project with ten annotated tasks, and predictions of what they taught."""
    number = studio.new_project(CONFIG, TEXTS)
    service.manage("connect", "--project", str(number))
    for task in studio.tasks(number)[:10]:
        good = any(text in task["data"]["text"] for text in GOOD)
        body = {"result": [region("Positive" if good else "Negative")]}
        studio.call("POST", f"/api/tasks/{task['id']}/annotations/", body=body)
    service.manage("sync", "--project", str(number))
    wait_for(
        lambda: (
            not service.rows(
                "SELECT 1 FROM training_trainingrun r JOIN registry_project p ON p.id ="
                " r.project_id WHERE p.labelstudio_id = %s AND r.state IN ('queued',"
                " 'running', 'lost')",
                number,
            )
        ),
        seconds=120,
        what="the training",
    )
    service.manage("predict", "--project", str(number))
    return number


def test_unlabelled_tasks_are_listed_in_the_order_of_label_studios_scores(
    studio, service, project
):
    said = service.manage("next", "--project", str(project), "--json")
    listed = json.loads(said[: said.rindex("}") + 1])["results"]

    version = listed[0]["reason"].rpartition(" ")[2]
    scores = {
        task["id"]: prediction["score"]
        for task in studio.tasks(project)
        for prediction in task["predictions"]
        if not task["total_annotations"] and prediction["model_version"] == version
    }
    assert len(listed) == len(scores) == 20
    order = [scores[task["task_id"]] for task in listed]
    assert order == sorted(order)
    assert [task["address"] for task in listed] == [
        f"{studio.url}/projects/{project}/data?task={task['task_id']}"
        for task in listed
    ]
