"""`predict` with a real Label Studio: each prediction once, and problems are named."""

import subprocess
import sys
from collections import Counter

import pytest

from tests.labelstudio.conftest import CONFIG
from tests.labelstudio.service import PROJECT, wait_for

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


def test_a_sigkill_during_the_post_loses_and_doubles_nothing(studio, service, project):
    command = subprocess.Popen(
        [sys.executable, "manage.py", "predict", "--project", str(project)],
        cwd=PROJECT,
        # Without a message to the service's worker, this process runs the job.
        env=service.environment() | {"CELERY_BROKER_URL": "redis://127.0.0.1:1/0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def in_a_post():
        return service.rows(
            "SELECT 1 FROM inference_predictionjob"
            " WHERE sending IS NOT NULL AND lease_owner LIKE %s",
            f"%:{command.pid}",
        )

    try:
        wait_for(in_a_post, seconds=120, what="the POST")
    finally:
        command.kill()
        command.wait()
    wait_for(
        lambda: job_of(service, project)["state"] == "succeeded",
        seconds=240,
        what="the end of the job",
    )
    assert once(studio, project)
    assert "200 already there" in predict(service, project)
