"""GET /api/v1/projects/<key>/suspicious-annotations."""

import pytest
from rest_framework.test import APIClient

from tests.db.quality.history import History

pytestmark = pytest.mark.django_db


@pytest.fixture
def history(db):
    """Two suspicious annotations among ten others."""
    made = History()
    made.agree(range(1, 11))
    for task_id, score in ((50, 0.97), (51, 0.99)):
        made.predict(task_id, "Billing", score, "v1")
        made.annotate(task_id, "Refund")
    return made


def address(history):
    return f"/api/v1/projects/{history.project.pk}/suspicious-annotations"


def test_the_most_suspicious_are_listed_first_with_reason_and_address(viewer, history):
    reply = viewer.get(address(history), {"limit": 1}).json()
    (found,) = reply.pop("results")
    assert reply == {
        "annotations": 12,
        "examined": 12,
        "checked": 12,
        "without_prediction": 0,
        "not_comparable": 0,
        "suspicious": 2,
        "confident": 2,
        "coverage": "12 of 12 annotations could be checked.",
    }
    assert found["task_id"] == 51
    assert found["annotation_id"] == 5100
    assert found["reason"].startswith("annotated Refund; v1, not trained on it,")
    assert found["address"] == "http://ls.example/projects/7/data?task=51"


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "0"), ("limit", "x"), ("limit", "1001"), ("n", "5")],
)
def test_a_wrong_parameter_is_refused(viewer, history, name, value):
    reply = viewer.get(address(history), {name: value})
    assert reply.status_code == 400
    assert reply.json()["field"] == name


@pytest.mark.parametrize("pk", [0, 2**70])
def test_an_unknown_project_is_not_found(viewer, pk):
    reply = viewer.get(f"/api/v1/projects/{pk}/suspicious-annotations")
    assert reply.status_code == 404
    assert reply.json()["detail"] == f"There is no project {pk}."


def test_reading_needs_a_login_and_a_role(history, person, client_of):
    assert APIClient().get(address(history)).status_code == 401
    assert client_of(person()).get(address(history)).status_code == 403
