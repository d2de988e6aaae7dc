"""`connect` repairs a project without predictions, with a real Label Studio."""

import pytest

from tests.labelstudio.service import PASSWORD, USER

pytestmark = [pytest.mark.labelstudio, pytest.mark.timeout(600)]


@pytest.fixture
def broken(studio, service, new_project):
    """A project whose backend was connected twice and that shows no predictions."""
    project = new_project(["a text"])
    again = {
        "project": project,
        "url": service.url,
        "title": "lsml",
        "auth_method": "BASIC_AUTH",
        "basic_auth_user": USER,
        "basic_auth_pass": PASSWORD,
    }
    studio.call("POST", "/api/ml/", body=again)
    # Deleting stored predictions of any version resets the choice to null.
    path = f"/api/projects/{project}/model-versions/"
    studio.call("DELETE", path, body={"model_version": "0.0.1"})
    assert len(studio.call("GET", "/api/ml", project=project)) == 2
    assert shown(studio, project) is None
    assert stream(studio, project) == []
    return project


def shown(studio, project):
    return studio.call("GET", f"/api/projects/{project}/")["model_version"]


def stream(studio, project):
    """The predictions an annotator sees on the next task."""
    return studio.call("GET", f"/api/projects/{project}/next")["predictions"]


def test_a_duplicate_backend_and_a_missing_choice_of_predictions_are_repaired(
    broken, studio, service
):
    said = service.manage("connect", "--project", str(broken))
    assert "Removed a second backend" in said
    assert "now shows the predictions of “lsml”" in said
    [backend] = studio.call("GET", "/api/ml", project=broken)
    assert (backend["state"], backend["title"]) == ("CO", "lsml")
    assert shown(studio, broken) == "lsml"
    assert [each["model_version"] for each in stream(studio, broken)] == ["0.0.1"]
    said = service.manage("connect", "--project", str(broken))
    assert "Removed" not in said
    assert "now shows" not in said
    assert "A webhook arrived" not in said  # tried only where something changed


def test_a_stored_version_that_somebody_chose_stays_chosen(
    studio, service, new_project
):
    project = new_project(["a text"])
    [task] = studio.tasks(project)
    stored = [{"task": task["id"], "result": [], "model_version": "by hand"}]
    studio.call("POST", f"/api/projects/{project}/import/predictions", body=stored)
    chosen = {"model_version": "by hand"}
    studio.call("PATCH", f"/api/projects/{project}/", body=chosen)
    said = service.manage("connect", "--project", str(project))
    assert "still shows the predictions of “by hand”" in said
    assert shown(studio, project) == "by hand"
