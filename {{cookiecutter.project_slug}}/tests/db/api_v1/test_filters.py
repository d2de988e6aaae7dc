"""Filters that several lists share, and unknown filters."""

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from lsml.registry.models import ModelVersion, Project, Promotion
from lsml.training.models import TrainingRun
from tests.db.api_v1.test_lists import LISTS, ids
from tests.db.audit.rows import hear, predict

BY_PROJECT = [name for name in LISTS if name not in {"seals", "audit-jobs"}]


@pytest.fixture
def two_projects(db):
    """Projects 41 and 42 of Label Studio, each with a row in most lists."""
    projects = [Project.objects.create(labelstudio_id=number) for number in (41, 42)]
    for project in projects:
        version = ModelVersion.objects.create(
            project=project, number=1, version="v1", created_at=timezone.now()
        )
        TrainingRun.objects.create(
            project=project,
            trigger="person",
            requested_by="ana",
            created_at=timezone.now(),
            version=version,
        )
        Promotion.objects.create(
            project=project, to_version=version, at=timezone.now(), actor="ana"
        )
        predict(project_pk=project.pk)
        hear(project_pk=project.pk)
    return projects


@pytest.mark.parametrize(
    "name", ["predictions", "events", "promotions", "versions", "runs"]
)
def test_a_list_is_filtered_by_label_studios_project_id(viewer, two_projects, name):
    reply = viewer.get(f"/api/v1/{name}?labelstudio_id=42")
    assert len(ids(reply)) == 1
    assert reply.json()["results"][0]["project_pk"] == two_projects[1].pk


def test_a_reused_label_studio_id_finds_the_rows_of_all_its_projects(viewer, db):
    for stamp in (1, 2):
        project = Project.objects.create(labelstudio_id=41, created_stamp=stamp)
        predict(project_pk=project.pk)
    predict(project_pk=project.pk + 1)
    assert len(ids(viewer.get("/api/v1/predictions?labelstudio_id=41"))) == 2


def test_filters_by_project_and_version_are_combined(viewer, two_projects):
    found = "/api/v1/predictions?labelstudio_id=41&model_version="
    assert len(ids(viewer.get(f"{found}v1"))) == 1
    assert ids(viewer.get(f"{found}v2")) == []


@pytest.mark.parametrize("name", BY_PROJECT)
def test_a_project_that_does_not_exist_has_no_rows(viewer, two_projects, name):
    for word in ("project_pk", "labelstudio_id"):
        for number in ("7700000000", "0", "99999999999999999999"):
            found = viewer.get(f"/api/v1/{name}?{word}={number}").json()
            assert found["results"] == [], (word, number)
            assert (found["count"], found["count_is_exact"]) == (0, True)


@pytest.fixture(scope="module")
def document():
    """Served as a page would read it; making it takes a quarter of a second."""
    return APIClient().get("/api/v1/schema", HTTP_ACCEPT="application/json").json()


@pytest.mark.parametrize("name", LISTS)
def test_the_answer_to_an_unknown_filter_names_the_known_ones(viewer, document, name):
    reply = viewer.get(f"/api/v1/{name}?colour=red")
    assert (reply.status_code, reply.json()["field"]) == (400, "colour")
    known = reply.json()["detail"].split(": ")[1].rstrip(".").split(", ")
    parameters = document["paths"][f"/api/v1/{name}"]["get"]["parameters"]
    described = {one["name"] for one in parameters}
    assert described == {*known, "limit", "after", "order", "format"}


def test_predictions_that_were_not_shown_are_listed_alone(viewer, db):
    predict()
    [row] = predict(withheld=True)
    found = viewer.get("/api/v1/predictions?withheld=true").json()["results"]
    assert [(each["id"], each["withheld"]) for each in found] == [(row.pk, True)]
    assert len(ids(viewer.get("/api/v1/predictions?withheld=false"))) == 1
    assert viewer.get("/api/v1/predictions?withheld=maybe").status_code == 400


@pytest.mark.parametrize(
    ("time", "status"),
    [
        ("2026-11-23T13:02:00%2B20:00", 200),  # PostgreSQL knows offsets to 15:59
        ("9999-12-31T23:59:59-23:59", 400),
        ("0001-01-01T00:00:00%2B23:59", 400),
    ],
)
def test_a_time_may_have_any_offset(viewer, db, time, status):
    reply = viewer.get(f"/api/v1/error-groups?since={time}")
    assert reply.status_code == status
