"""The real Label Studio shows nothing of a prediction that is not to be shown."""

from types import SimpleNamespace

import pytest

from lsml.inference.withheld import is_withheld
from tests.labelstudio.conftest import region
from tests.labelstudio.service import wait_for

pytestmark = [pytest.mark.labelstudio, pytest.mark.timeout(900)]
PERCENT = 50


@pytest.fixture(scope="module")
def project(studio, service, new_project):
    """A connected project in which half of the tasks get no suggestion."""
    number = new_project()
    service.manage("sync", "--project", str(number))
    [row] = service.rows(
        "UPDATE registry_project SET withheld_percent = %s, training_paused = true"
        " WHERE labelstudio_id = %s RETURNING id",
        PERCENT,
        number,
    )
    ids = {task["id"] for task in studio.tasks(number)}
    return SimpleNamespace(
        number=number,
        pk=row["id"],
        ids=ids,
        withheld={each for each in ids if is_withheld(row["id"], each, PERCENT)},
    )


def opened(studio, task):
    return studio.call("GET", f"/api/tasks/{task}/")["predictions"]


def rows_of(service, project, task):
    return service.rows(
        "SELECT * FROM audit_prediction WHERE project_pk = %s AND task_id = %s"
        " ORDER BY id",
        project.pk,
        task,
    )


def test_who_opens_such_a_task_sees_nothing_and_the_prediction_is_kept(
    studio, service, project
):
    hidden, visible = min(project.withheld), min(project.ids - project.withheld)
    assert opened(studio, hidden) == []
    assert len(opened(studio, visible)) == 1
    kept = rows_of(service, project, hidden)  # Label Studio may repeat a request
    assert {(row["withheld"], row["outcome"]) for row in kept} == {(True, "ok")}
    assert all(row["result"] for row in kept)
    assert not any(row["withheld"] for row in rows_of(service, project, visible))
    assert opened(studio, hidden) == []
    assert len(rows_of(service, project, hidden)) > len(kept)  # it asks again


def test_a_bulk_prediction_sends_the_others_only_and_ends(studio, service, project):
    for _ in range(2):
        said = service.manage("predict", "--project", str(project.number))
        assert f"{len(project.withheld)} not shown" in said
        shown = {t["id"] for t in studio.tasks(project.number) if t["predictions"]}
        assert shown == project.ids - project.withheld


def test_its_annotation_is_compared_with_the_prediction_that_was_kept(
    studio, service, project
):
    task = max(project.withheld)
    assert opened(studio, task) == []
    path = f"/api/tasks/{task}/annotations/"
    body = {"result": [region("Positive")]}
    annotation = studio.call("POST", path, body=body)

    def compared():
        return service.rows(
            "SELECT * FROM dataset_liveagreement WHERE project_id = %s"
            " AND annotation_id = %s",
            project.pk,
            annotation["id"],
        )

    [row] = wait_for(compared, seconds=60, what="the comparison")
    assert row["withheld"]
    kept = rows_of(service, project, task)[-1]
    assert row["prediction_id"] == kept["id"]
    assert "not shown" in service.manage("quality", "--project", str(project.number))
