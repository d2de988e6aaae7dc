"""A real Label Studio and the real service, once for all tests of the lane.

Each stage is a fixture that keeps the state at that point, so the tests may run in any
order.
"""

import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.labelstudio.service import Service, wait_for
from tests.labelstudio.studio import Studio, free_port

CONFIG = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="sentiment" toName="text" choice="single">'
    '<Choice value="Positive"/><Choice value="Negative"/></Choices></View>'
)
GOOD = [
    "great value",
    "excellent sound",
    "lovely colour",
    "fast delivery",
    "works well",
]
BAD = [
    "broke at once",
    "awful noise",
    "poor quality",
    "never arrived",
    "waste of money",
]
TEXTS = [
    f"{text}, said customer {number}" for number in (1, 2, 3) for text in GOOD + BAD
]


@pytest.fixture(scope="session")
def lane_folder():
    # Short: a unix socket's path must fit into 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="lane-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def studio(lane_folder):
    """A Label Studio that accepts both kinds of token and local addresses."""
    server = Studio(lane_folder / "studio")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def service(lane_folder, studio):
    folder = lane_folder / "service"
    folder.mkdir()
    server = Service(
        folder,
        free_port(),
        LABEL_STUDIO_URL=studio.url,
        LABEL_STUDIO_API_KEY=studio.token,
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def personal_token(studio):
    return studio.personal_access_token()


@pytest.fixture(scope="session")
def new_project(studio, service):
    """Returns a function that creates another connected project and returns its ID."""

    def make(texts=TEXTS):
        number = studio.new_project(CONFIG, texts)
        service.manage("connect", "--project", str(number))
        return number

    return make


@pytest.fixture(scope="session")
def connected(studio, service, personal_token):
    """A project connected with `manage.py connect` and a personal access token."""
    project = studio.new_project(CONFIG, TEXTS)
    said = service.manage(
        *("connect", "--url", studio.url, "--api-key", personal_token),
        *("--project", str(project), "--interactive"),
    )
    [backend] = studio.call("GET", "/api/ml", project=project)
    [hook] = studio.call("GET", "/api/webhooks/", project=project)
    [row] = service.rows(
        "SELECT * FROM registry_project WHERE labelstudio_id = %s", project
    )
    return SimpleNamespace(
        project=project, said=said, backend=backend, hook=hook, row=row
    )


def retrieved(studio, service, connected):
    """Retrieve predictions; return them, and the audit rows of this request alone.

    Label Studio may have asked for a task before: when `connect` saves the backend
    again, it tries a random one.
    """
    newest = service.rows("SELECT coalesce(max(id), 0) AS id FROM audit_prediction")
    studio.retrieve_predictions(connected.project)
    rows = service.rows(
        "SELECT * FROM audit_prediction WHERE project_pk = %s AND id > %s ORDER BY id",
        connected.row["id"],
        newest[0]["id"],
    )
    return SimpleNamespace(tasks=studio.tasks(connected.project), rows=rows)


@pytest.fixture(scope="session")
def predicted(studio, service, connected):
    """Predictions for all tasks, and the audit rows of the request that made them."""
    return retrieved(studio, service, connected)


def region(choice):
    return {
        "from_name": "sentiment",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": [choice]},
    }


@pytest.fixture(scope="session")
def annotated(studio, service, connected, predicted):
    """Twenty annotations, of which three were changed and two deleted."""
    events = []
    made = {}
    for task in predicted.tasks[:20]:
        good = any(text in task["data"]["text"] for text in GOOD)
        choice = "Positive" if good else "Negative"
        body = {"result": [region(choice)], "lead_time": 1.5}
        path = f"/api/tasks/{task['id']}/annotations/"
        annotation = studio.call("POST", path, body=body)
        made[annotation["id"]] = task["id"]
        events.append(("ANNOTATION_CREATED", annotation["id"]))
    numbers = list(made)
    for number in numbers[:3]:
        body = {"result": [region("Negative")], "was_cancelled": number == numbers[0]}
        studio.call("PATCH", f"/api/annotations/{number}/", body=body)
        events.append(("ANNOTATION_UPDATED", number))
    for number in numbers[-2:]:
        studio.call("DELETE", f"/api/annotations/{number}/")
        events.append(("ANNOTATIONS_DELETED", number))
    return SimpleNamespace(events=events, numbers=numbers)


@pytest.fixture(scope="session")
def trained(studio, service, connected, annotated):
    """A new version after "Start training", as the service and Label Studio see it."""
    backend = connected.backend["id"]
    before = connected.backend["model_version"]
    studio.call("POST", f"/api/ml/{backend}/train", body={})

    def finished():
        # Runs may follow each other: the annotations themselves have started one.
        [project] = service.rows(
            "SELECT v.version, (SELECT count(*) FROM training_inboxentry i"
            " WHERE i.project_id = p.id) AS waiting, (SELECT count(*) FROM"
            " training_trainingrun r WHERE r.project_id = p.id AND r.state IN"
            " ('queued', 'running', 'lost')) AS runs FROM registry_project p"
            " LEFT JOIN registry_modelversion v ON v.id = p.active_version_id"
            " WHERE p.id = %s",
            connected.row["id"],
        )
        if not project["version"] or project["waiting"] or project["runs"]:
            return None
        seen = studio.call("GET", f"/api/ml/{backend}")["model_version"]
        return seen if seen == project["version"] else None

    version = wait_for(finished, seconds=120, what="a new version")
    versions = studio.call("GET", f"/api/ml/{backend}/versions")["versions"]
    return SimpleNamespace(before=before, version=version, versions=versions)


@pytest.fixture(scope="session")
def predicted_again(studio, service, connected, trained):
    """Predictions for all tasks by the new version."""
    return retrieved(studio, service, connected)
