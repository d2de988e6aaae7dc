"""/api/v1/projects/<id>/next: the tasks to label next."""

import pytest
from rest_framework.test import APIClient

from tests.db.audit.rows import predict

pytestmark = pytest.mark.django_db


@pytest.fixture
def url(project):
    project.hostname = "https://labels.example.com"
    project.save()
    predict(project_pk=project.pk, task_id=1, score=0.25, model_version="0.0.1")
    return f"/api/v1/projects/{project.pk}/next"


def test_it_answers_the_tasks_with_reasons_and_addresses(viewer, url):
    reply = viewer.get(url)
    assert reply.status_code == 200
    assert reply.json() == {
        "results": [
            {
                "task_id": 1,
                "reason": "score 0.25 by 0.0.1",
                "address": "https://labels.example.com/projects/41/data?task=1",
            }
        ],
        "notes": [],
    }


def test_the_strategy_is_chosen(viewer, url):
    [task] = viewer.get(url, {"strategy": "random"}).json()["results"]
    assert task["reason"] == "picked at random"


def test_the_notes_say_what_is_missing(viewer, url):
    reply = viewer.get(url, {"strategy": "disagreement", "limit": 3}).json()
    assert reply["results"] == []
    assert "manage.py predict --project 41" in reply["notes"][0]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"strategy": "best"}, "strategy"),
        ({"limit": 0}, "limit"),
        ({"limit": 1_001}, "limit"),
        ({"n": 5}, "n"),
    ],
)
def test_a_wrong_parameter_is_named(viewer, url, query, field):
    reply = viewer.get(url, query)
    assert (reply.status_code, reply.json()["field"]) == (400, field)


def test_an_unknown_project_is_not_found(viewer):
    reply = viewer.get("/api/v1/projects/99999999999999999999/next")
    assert reply.status_code == 404
    assert reply.json()["detail"] == "There is no project 99999999999999999999."


def test_reading_needs_a_role(person, client_of, url):
    assert APIClient().get(url).status_code == 401
    assert client_of(person()).get(url).status_code == 403
