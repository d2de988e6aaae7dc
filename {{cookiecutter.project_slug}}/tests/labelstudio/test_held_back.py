"""A model that was made worse is held back, and Label Studio never sees it."""

from types import SimpleNamespace

import pytest

from tests.labelstudio.conftest import CONFIG, region
from tests.labelstudio.service import Service, wait_for
from tests.labelstudio.studio import free_port
from tests.models.worsening import RIGHT_UP_TO, label

pytestmark = [pytest.mark.labelstudio, pytest.mark.timeout(900)]
TASKS = 320


@pytest.fixture(scope="module")
def worsening(lane_folder, studio):
    """The service with a model that gets worse."""
    folder = lane_folder / "worsening"
    folder.mkdir()
    server = Service(
        folder,
        free_port(),
        LABEL_STUDIO_URL=studio.url,
        LABEL_STUDIO_API_KEY=studio.token,
        MODEL_CLASS="tests.models.worsening.WorseningModel",
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def trained(studio, worsening):
    """The project after v1 was promoted, and after v2 was trained and evaluated."""
    texts = [f"text {n}" for n in range(TASKS)]
    number = studio.new_project(CONFIG, texts)
    worsening.manage("connect", "--project", str(number))
    worsening.manage("sync", "--project", str(number))
    worsening.rows("UPDATE registry_project SET training_paused = true RETURNING id")
    tasks = studio.tasks(number)
    annotate(studio, tasks[: RIGHT_UP_TO - 10])
    train(worsening, number)
    wait_for(lambda: served(worsening, number) == "v1", what="v1")
    annotate(studio, tasks[RIGHT_UP_TO - 10 : RIGHT_UP_TO + 20])
    train(worsening, number)
    evaluation = wait_for(lambda: verdict(worsening, "v2"), what="the verdict on v2")
    return SimpleNamespace(number=number, tasks=tasks, evaluation=evaluation)


def annotate(studio, tasks):
    for task in tasks:
        body = {"result": [region(label(task["data"]["text"]))]}
        studio.call("POST", f"/api/tasks/{task['id']}/annotations/", body=body)


def train(service, project):
    waiting = "SELECT 1 FROM training_inboxentry WHERE applied_at IS NULL"
    wait_for(lambda: not service.rows(waiting), what="the inbox")
    service.manage("train", "--project", str(project))


def served(service, project):
    query = (
        "SELECT version.version FROM registry_project AS project"
        " JOIN registry_modelversion AS version ON version.id = active_version_id"
        " WHERE labelstudio_id = %s"
    )
    rows = service.rows(query, project)
    return rows[0]["version"] if rows else ""


def verdict(service, version):
    query = (
        "SELECT verdict, promoted, reason, task_count FROM quality_evaluation"
        " JOIN registry_modelversion AS version ON version.id = version_id"
        " WHERE version.version = %s AND verdict <> ''"
    )
    return next(iter(service.rows(query, version)), None)


def test_the_first_version_is_better_than_the_untrained_model(worsening, trained):
    first = verdict(worsening, "v1")
    assert (first["verdict"], first["promoted"]) == ("passed", True)
    assert first["reason"].startswith("0 % → 100 % on ")


def test_the_worse_version_is_held_back_with_the_reason(worsening, trained):
    found = trained.evaluation
    assert (found["verdict"], found["promoted"]) == ("held back", False)
    assert "recall of Negative fell from 100 % to 0 %" in found["reason"]
    assert served(worsening, trained.number) == "v1"


def test_the_command_says_why(worsening, trained):
    printed = worsening.manage("quality", "--project", str(trained.number))
    assert "serves v1" in printed
    assert f"held back: {trained.evaluation['reason']}" in printed


def test_annotators_never_see_it(studio, worsening, trained):
    studio.retrieve_predictions(trained.number)
    stored = studio.call("GET", "/api/predictions/", project=trained.number)
    shown = {each["model_version"] for each in stored}
    assert shown == {"v1"}
    wrong = [
        each
        for each in stored
        if each["result"][0]["value"]["choices"] != [label(text_of(trained, each))]
    ]
    assert wrong == []


def text_of(trained, prediction):
    return next(
        task["data"]["text"]
        for task in trained.tasks
        if task["id"] == prediction["task"]
    )
