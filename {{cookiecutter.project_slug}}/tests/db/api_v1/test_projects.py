"""Projects of the operators' API: their policies are shown and changed."""

import pytest
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.registry.models import Following
from tests.broker import collect_messages
from tests.db.api_v1.jobs import entries, send

pytestmark = pytest.mark.django_db
CHANGE = {"sampling": "uncertainty", "reason": "fewer labels"}


@pytest.fixture(autouse=True)
def notifications(monkeypatch):
    return collect_messages(monkeypatch)


def policy(client, project, **body):
    return send(client, f"/api/v1/projects/{project.pk}/policy", body)


def test_a_project_shows_its_policy_and_the_order_of_its_tasks(viewer, project):
    row = viewer.get(f"/api/v1/projects/{project.pk}").json()
    assert row["served_version"] == "0.0.1"
    assert (row["predict_on_promotion"], row["sampling"]) == ("none", "label-studio")
    assert (row["ordered_by"], row["ordered_since"]) == ("", None)
    Following.objects.create(project=project, version="v3", since=timezone.now())
    [row] = viewer.get("/api/v1/projects?labelstudio_id=41").json()["results"]
    assert row["ordered_by"] == "v3"


def test_the_policy_is_changed_and_recorded(operator, project):
    row = policy(operator, project, **CHANGE).json()
    assert (row["sampling"], row["min_annotations"]) == ("uncertainty", 1)
    project.refresh_from_db()
    assert project.sampling == "uncertainty"
    assert entries() == [("policy changed", "olga", "fewer labels")]
    assert list(AuditEntry.objects.get().detail) == ["sampling"]


@pytest.mark.parametrize(
    "body",
    [
        {"sampling": "uncertainty"},
        CHANGE | {"sampling": "best"},
        CHANGE | {"quiet_from": "22:00"},
        CHANGE | {"holdout_percent": 51},
        CHANGE | {"holdout_percent": -1},
        CHANGE | {"withheld_percent": 51},
        CHANGE | {"withheld_percent": -1},
        CHANGE | {"gate_min_tasks": 0},
    ],
)
def test_a_wrong_policy_is_refused(operator, project, body):
    assert policy(operator, project, **body).status_code == 400
    assert not entries()


def test_all_wrong_fields_are_named(operator, project):
    body = {"gate_min_tasks": 0, "gate_margin": 101, "reason": "r"}
    reply = policy(operator, project, **body)
    assert (reply.status_code, reply.json()["field"]) == (400, None)
    assert reply.json()["code"] == "invalid"
    assert reply.json()["detail"] == (
        "gate_min_tasks: Ensure this value is greater than or equal to 1."
        " gate_margin: Ensure this value is less than or equal to 100."
    )


def test_the_hold_out_is_part_of_the_policy(operator, project):
    assert (project.holdout_percent, project.holdout_fit) == (15, False)
    row = policy(
        operator, project, holdout_percent=0, holdout_fit=True, reason="few texts"
    ).json()
    assert (row["holdout_percent"], row["holdout_fit"]) == (0, True)
    project.refresh_from_db()
    assert (project.holdout_percent, project.holdout_fit) == (0, True)
    assert AuditEntry.objects.get().detail == {
        "holdout_percent": {"before": 15, "after": 0},
        "holdout_fit": {"before": False, "after": True},
    }


def test_rolling_back_by_itself_is_part_of_the_policy(operator, project):
    assert not project.roll_back_on_drop
    row = policy(operator, project, roll_back_on_drop=True, reason="nights").json()
    assert row["roll_back_on_drop"] is True
    project.refresh_from_db()
    assert project.roll_back_on_drop


def test_a_version_may_have_to_pass_in_shadow(operator, project):
    change = {"gate_shadow_tasks": 50, "shadow_percent": 60, "reason": "today's tasks"}
    row = policy(operator, project, **change).json()
    assert (row["gate_shadow_tasks"], row["shadow_percent"]) == (50, 60)
    refused = policy(operator, project, holdout_percent=0, reason="all of them")
    assert refused.status_code == 400
    assert "Hold out some annotated tasks" in refused.text


def test_a_viewer_may_not_change_the_policy(viewer, project):
    assert policy(viewer, project, **CHANGE).status_code == 403
    assert not entries()
