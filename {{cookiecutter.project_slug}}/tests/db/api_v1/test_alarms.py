"""Alarms by REST, and in /metrics."""

import pytest
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.quality.models import Alarm
from tests.console.factory import alarm


@pytest.fixture
def several(project):
    now = timezone.now()
    known = {"acknowledged_at": now, "acknowledged_by": "ana"}
    return [
        alarm(project),
        alarm(kind=Alarm.Kind.NO_WORKER, subject="training", **known),
        alarm(project, subject="old", cleared_at=now),
        alarm(project, subject="once", opened_at=None),
    ]


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ("", [2, 1, 0]),
        ("?state=open", [0]),
        ("?state=acknowledged", [1]),
        ("?state=cleared", [2]),
        ("?kind=no_worker", [1]),
        ("?labelstudio_id=41", [2, 0]),
    ],
)
def test_alarms_that_opened_are_listed_and_filtered(viewer, several, words, places):
    reply = viewer.get(f"/api/v1/alarms{words}")
    listed = [row["id"] for row in reply.json()["results"]]
    assert listed == [several[place].pk for place in places]


def test_each_row_says_in_which_state_it_is(viewer, several):
    rows = viewer.get("/api/v1/alarms").json()["results"]
    assert [row["state"] for row in rows] == ["cleared", "acknowledged", "open"]


def test_a_state_that_does_not_exist_is_refused(viewer):
    assert viewer.get("/api/v1/alarms?state=closed").status_code == 400


def test_an_operator_acknowledges(person, client_of, several):
    api = client_of(person("operator", "olga"))
    address = f"/api/v1/alarms/{several[0].pk}/acknowledge"
    reply = api.post(address, {"reason": "seen"}, format="json")
    assert reply.status_code == 200
    assert reply.json()["acknowledged_by"] == "olga"
    assert AuditEntry.objects.get(verb="alarm acknowledged").reason == "seen"
    again = api.post(address, {}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "refused")
    assert again.json()["detail"].endswith("was acknowledged by olga.")


def test_a_viewer_may_not_acknowledge(viewer, several):
    reply = viewer.post(f"/api/v1/alarms/{several[0].pk}/acknowledge", {})
    assert reply.status_code == 403
    assert Alarm.objects.get(pk=several[0].pk).state == "open"


def test_metrics_count_open_alarms_by_kind_and_say_when_was_checked(api, several):
    lines = api.get("/metrics").content.decode().splitlines()
    assert 'lsml_alarms_open{kind="failed_run"} 1.0' in lines
    assert 'lsml_alarms_open{kind="no_worker"} 1.0' in lines
    assert 'lsml_alarms_open{kind="sealing_late"} 0.0' in lines
    [checked] = [each for each in lines if each.startswith("lsml_alarms_checked_t")]
    assert abs(float(checked.split()[1]) - timezone.now().timestamp()) < 60
