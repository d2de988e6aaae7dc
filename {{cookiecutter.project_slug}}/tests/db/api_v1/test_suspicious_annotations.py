"""GET /api/v1/projects/<key>/suspicious-annotations."""

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from lsml.audit.models import AuditEntry
from lsml.dataset.models import Annotation
from tests.db.api_v1.jobs import entries, send
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
        "confirmed": 0,
        "coverage": "12 of 12 annotations could be checked.",
    }
    assert found["task_id"] == 51
    assert found["annotation_id"] == 5100
    assert found["reason"].startswith("annotated Refund; v1, not trained on it,")
    assert found["address"] == "http://ls.example/projects/7/data?task=51"


def test_without_a_prediction_its_id_is_null(viewer, history):
    history.cross_validate({50: 0.001})
    found = viewer.get(address(history), {"limit": 1}).json()["results"][0]
    assert found["task_id"] == 50
    assert (found["prediction_id"], found["model_version"]) == (None, "v7")


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


# --- Annotations that a person found right ---


def confirm(client, history, annotation_id=5100, **body):
    return send(client, f"{address(history)}/{annotation_id}/confirm", body)


def listed(client, history):
    report = client.get(address(history)).json()
    return [found["annotation_id"] for found in report["results"]], report


def seen(client, history):
    (first, *_) = listed(client, history)[1]["results"]
    return first["updated_at"]


def test_a_confirmed_annotation_is_no_longer_listed(operator, history):
    state = seen(operator, history)
    assert confirm(operator, history, updated_at=state).status_code == 204
    ids, report = listed(operator, history)
    assert ids == [5000]
    assert (report["suspicious"], report["confirmed"]) == (1, 1)
    assert "Not listed: 1 that people confirmed." in report["coverage"]
    assert entries() == [("annotation confirmed", "olga", "")]
    assert AuditEntry.objects.get().target == "annotation 5100"


def test_a_confirmed_annotation_is_listed_again_once_it_changed(operator, history):
    confirm(operator, history, updated_at=seen(operator, history))
    Annotation.objects.filter(annotation_id=5100).update(updated_at=timezone.now())
    assert listed(operator, history)[0] == [5100, 5000]
    confirm(operator, history, updated_at=seen(operator, history))
    assert listed(operator, history)[0] == [5000]


def test_a_state_that_the_person_did_not_see_is_not_confirmed(operator, history):
    state = seen(operator, history)
    Annotation.objects.filter(annotation_id=5100).update(updated_at=timezone.now())
    reply = confirm(operator, history, updated_at=state)
    assert (reply.status_code, reply.json()["code"]) == (409, "refused")
    assert "was changed or deleted since" in reply.json()["detail"]
    assert not entries()


@pytest.mark.parametrize("annotation_id", [0, 7, 2**70])
def test_an_annotation_that_is_not_there_is_not_confirmed(
    operator, history, annotation_id
):
    state = seen(operator, history)
    reply = confirm(operator, history, annotation_id, updated_at=state)
    assert reply.status_code == 409


def test_an_annotation_of_another_project_is_not_confirmed(operator, history):
    state, other = seen(operator, history), History(labelstudio_id=8)
    assert confirm(operator, other, updated_at=state).status_code == 409


def test_confirming_needs_the_state(operator, history):
    assert confirm(operator, history).json()["field"] == "updated_at"


def test_a_viewer_may_not_confirm(viewer, history):
    state = seen(viewer, history)
    assert confirm(viewer, history, updated_at=state).status_code == 403
    assert not entries()
