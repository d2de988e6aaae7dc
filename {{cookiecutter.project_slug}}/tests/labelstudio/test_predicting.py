"""`predict` with a real Label Studio: each prediction once, and problems are named."""

import subprocess
import sys
import threading
from collections import Counter

import httpx
import pytest

from tests.http_stub import JSON, METHOD, HttpStub, http_stub
from tests.labelstudio.conftest import CONFIG, region
from tests.labelstudio.service import PASSWORD, PROJECT, USER, wait_for

pytestmark = [pytest.mark.labelstudio, pytest.mark.timeout(600)]
TASKS = 200


@pytest.fixture
def project(studio, service):
    """A project that is known here; no webhook tells of its changes."""
    number = studio.new_project(CONFIG, [f"text {n}" for n in range(TASKS)])
    service.manage("sync", "--project", str(number))
    return number


def predict(service, project, *options, ok=True):
    return service.manage("predict", "--project", str(project), *options, ok=ok)


def stored(studio, project):
    """Return how many predictions each task has."""
    tasks = studio.tasks(project)
    return Counter({task["id"]: len(task["predictions"]) for task in tasks})


def once(studio, project):
    return set(stored(studio, project).values()) == {1}


def job_of(service, project):
    [row] = service.rows(
        "SELECT j.* FROM inference_predictionjob j JOIN registry_project p"
        " ON p.id = j.project_id WHERE p.labelstudio_id = %s"
        " ORDER BY j.id DESC LIMIT 1",
        project,
    )
    return row


def test_run_again_it_adds_nothing_and_names_what_cannot_be_stored(
    studio, service, project
):
    first, second, *_ = (task["id"] for task in studio.tasks(project))
    studio.call("DELETE", f"/api/tasks/{first}/")
    said = predict(service, project)
    assert "199 sent to Label Studio, 1 deleted in Label Studio" in said
    assert f"Task {first}: gone" in said
    assert once(studio, project)
    assert "200 already there" in predict(service, project)
    assert once(studio, project)

    studio.call(
        "POST", f"/api/projects/{project}/import", body=[{"data": {"text": "x"}}]
    )
    service.manage("sync", "--project", str(project))
    assert "1 sent to Label Studio, 199 already there" in predict(service, project)
    assert once(studio, project)

    said = predict(service, project, "--replace")
    assert "200 sent to Label Studio" in said
    assert once(studio, project)

    other = CONFIG.replace("Positive", "Good").replace("Negative", "Bad")
    body = {"model_version": job_of(service, project)["model_version"]}
    studio.call("DELETE", f"/api/projects/{project}/model-versions/", body=body)
    studio.call("PATCH", f"/api/projects/{project}/", body={"label_config": other})
    said = predict(service, project, "--tasks", str(second), ok=False)
    assert f"Task {second}: invalid" in said
    assert not stored(studio, project).total()


def view_of(studio, project, conjunction, *filters):
    """Create a tab of the data manager, and return its ID."""
    items = [
        {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind}
        | {"value": value}
        for column, operator, kind, value in filters
    ]
    data = {"title": "Lane", "filters": {"conjunction": conjunction, "items": items}}
    body = {"project": project, "data": data}
    return studio.call("POST", "/api/dm/views/", body=body)["id"]


def test_only_the_tasks_of_a_view_are_predicted(studio, service, project):
    tasks = {task["data"]["text"]: task["id"] for task in studio.tasks(project)}
    backend = {"url": service.url, "project": project, "title": "other"}
    backend |= {"auth_method": "BASIC_AUTH", "basic_auth_user": USER}
    studio.call("POST", "/api/ml", body=backend | {"basic_auth_pass": PASSWORD})
    automatic = {"evaluate_predictions_automatically": True}
    studio.call("PATCH", f"/api/projects/{project}/", body=automatic)
    live = "SELECT 1 FROM audit_prediction WHERE kind <> 'bulk'"
    before = len(service.rows(live))

    # "text 1", "text 10" to "text 19", "text 100" to "text 199"
    ones = ("data.text", "contains", "String", "text 1")
    low = ("id", "less", "Number", tasks["text 50"])
    both = str(view_of(studio, project, "and", ones, low))
    assert "11 tasks: 11 predicted" in predict(service, project, "--view", both)
    seven = ("data.text", "equal", "String", "text 7")
    absent = ("data.text", "equal", "String", "text 777")
    eight = ("data.text", "equal", "String", "text 8")
    either = str(view_of(studio, project, "or", seven, absent, eight))
    assert "2 tasks: 2 predicted" in predict(service, project, "--view", either)
    empty = ("total_predictions", "equal", "Number", 0)
    rest = str(view_of(studio, project, "and", empty))
    assert "187 tasks: 187 predicted" in predict(service, project, "--view", rest)
    assert "nothing to predict" in predict(service, project, "--view", rest)
    assert len(service.rows(live)) == before  # no listing made it predict
    assert once(studio, project)

    said = predict(service, project, "--view", "999999", ok=False)
    assert f"Project {project} in Label Studio has no view 999999" in said
    other = studio.new_project(CONFIG, ["another"])
    elsewhere = str(view_of(studio, other, "and"))
    said = predict(service, project, "--view", elsewhere, ok=False)
    assert f"Project {project} in Label Studio has no view {elsewhere}" in said


def shown_by(studio, project):
    return studio.call("GET", f"/api/projects/{project}/")["model_version"]


def test_older_versions_are_removed_and_the_project_goes_on_showing_predictions(
    studio, service, project
):
    service.manage("connect", "--project", str(project))
    shown = shown_by(studio, project)
    assert shown
    ids = [task["id"] for task in studio.tasks(project)]
    predict(service, project)
    older = job_of(service, project)["model_version"]
    import_of = f"/api/projects/{project}/import/predictions"
    result = [region("Positive")]
    body = [
        {"task": task, "model_version": "somebody's", "result": result} for task in ids
    ]
    studio.call("POST", import_of, body=body)
    service.add_version(project, "new")
    service.manage("promote", str(project), "new", "--reason", "test")

    said = predict(service, project, "--tasks", str(ids[0]), "--delete-older")
    assert f"Predictions of {older} were kept" in said
    assert versions(studio, project) == {older, "somebody's", "new"}
    said = predict(service, project, "--delete-older")
    assert "200 predictions of older versions removed" in said
    assert versions(studio, project) == {"somebody's", "new"}
    assert shown_by(studio, project) == shown
    assert "0 predictions of older versions" in predict(
        service, project, "--delete-older"
    )


def versions(studio, project):
    path = f"/api/projects/{project}/model-versions/"
    found = studio.call("GET", path, extended="true")["static"]
    return {each["model_version"] for each in found}


class Relay(HttpStub):
    """Passes requests on to Label Studio, and says when it has a whole POST."""

    def __init__(self, studio):
        super().__init__()
        self._studio = studio
        self.posted = threading.Event()

    def answer(self, path, headers):
        method = headers[METHOD]
        if path.endswith("/import/predictions"):
            self.posted.set()
        kept = {"Authorization": headers["Authorization"]} | JSON
        body = None if method == "GET" else self.bodies[-1]
        url = self._studio.url + path
        answer = httpx.request(method, url, content=body, headers=kept, timeout=60)
        return answer.status_code, JSON, answer.content


def test_a_sigkill_during_the_post_loses_and_doubles_nothing(studio, service, project):
    with http_stub(Relay(studio)) as relay:
        command = subprocess.Popen(
            [sys.executable, "manage.py", "predict", "--project", str(project)],
            cwd=PROJECT,
            env=service.environment()
            | {
                # Without a message to the service's worker, this process runs the job.
                "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
                "LABEL_STUDIO_URL": relay.url,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            # A POST that Label Studio never got would be asked about for ten minutes.
            assert relay.posted.wait(120)
        finally:
            command.kill()
            command.wait()
        assert job_of(service, project)["sending"] is not None
    wait_for(
        lambda: job_of(service, project)["state"] == "succeeded",
        seconds=240,
        what="the end of the job",
    )
    assert once(studio, project)
    assert "200 already there" in predict(service, project)
