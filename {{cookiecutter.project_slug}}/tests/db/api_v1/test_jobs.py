"""Jobs of the operators' API: cancelling, retrying and reading them."""

import pytest
from django.utils import timezone

from lsml.registry.models import Project
from tests.broker import collect_messages
from tests.db.api_v1.jobs import (
    KINDS,
    MODELS,
    TASKS,
    VERBS,
    entries,
    may_change,
    send,
    url,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def notifications(monkeypatch):
    return collect_messages(monkeypatch)


# --- Cancel ---


@pytest.mark.parametrize("name", KINDS)
def test_a_waiting_job_is_cancelled_at_once(operator, a_job, name):
    job = a_job(name)
    reply = send(operator, url(name, job, "cancel"), {"reason": "wrong data"})
    row = reply.json()
    assert (reply.status_code, row["state"]) == (200, "cancelled")
    assert (row["cancel_requested_by"], row["cancel_reason"]) == ("olga", "wrong data")
    job.refresh_from_db()
    assert (job.state, job.cancel_requested_by) == ("cancelled", "olga")
    assert (f"{VERBS[name]} cancelled", "olga", "wrong data") in entries()


@pytest.mark.parametrize("name", ["prediction-jobs", "evaluations", "audit-jobs"])
def test_a_running_job_keeps_its_state_until_the_worker_stops(operator, a_job, name):
    job = a_job(name, state="running")
    for reason in ("wrong data", "again"):
        reply = send(operator, url(name, job, "cancel"), {"reason": reason})
        assert (reply.status_code, reply.json()["state"]) == (200, "running")
        assert reply.json()["cancel_reason"] == "wrong data"
    assert entries() == [(f"{VERBS[name]} cancelled", "olga", "wrong data")]


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 2_001}])
@pytest.mark.parametrize("name", KINDS)
def test_cancelling_needs_a_reason(operator, a_job, name, body):
    job = a_job(name)
    reply = send(operator, url(name, job, "cancel"), body)
    assert (reply.status_code, reply.json()["field"]) == (400, "reason")
    job.refresh_from_db()
    assert (job.state, entries()) == ("queued", [])


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
@pytest.mark.parametrize("name", KINDS)
def test_an_ended_job_cannot_be_cancelled(operator, a_job, name, state):
    job = a_job(name, state=state)
    reply = send(operator, url(name, job, "cancel"), {"reason": "late"})
    assert (reply.status_code, reply.json()["code"]) == (409, "refused")
    job.refresh_from_db()
    assert (job.state, job.cancel_reason, entries()) == (state, "", [])


# --- Retry ---


@pytest.mark.parametrize("state", ["failed", "cancelled"])
@pytest.mark.parametrize("name", KINDS)
def test_a_retry_is_a_new_job(
    operator, a_job, name, state, notifications, django_capture_on_commit_callbacks
):
    job = a_job(name, state=state)
    with django_capture_on_commit_callbacks(execute=True):
        reply = send(operator, url(name, job, "retry"))
    assert (reply.status_code, reply.json()["state"]) == (201, "queued")
    new = MODELS[name].objects.exclude(pk=job.pk).get()
    assert (reply.json()["id"], new.requested_by) == (new.pk, "olga")
    assert entries() == [(f"{VERBS[name]} retried", "olga", "")]
    assert (TASKS[name], new.pk) in notifications


@pytest.mark.parametrize("state", ["queued", "running", "lost", "succeeded"])
@pytest.mark.parametrize("name", KINDS)
def test_a_job_that_left_nothing_to_do_cannot_be_retried(operator, a_job, name, state):
    job = a_job(name, state=state)
    reply = send(operator, url(name, job, "retry"))
    assert (reply.status_code, reply.json()["code"]) == (409, "refused")
    assert (MODELS[name].objects.get().state, entries()) == (state, [])


@pytest.mark.parametrize("name", ["runs", "prediction-jobs", "evaluations"])
def test_a_job_is_not_retried_while_another_is_active(operator, a_job, name):
    failed = a_job(name, state="failed")
    a_job(name)
    assert send(operator, url(name, failed, "retry")).status_code == 409
    assert (MODELS[name].objects.count(), entries()) == (2, [])


@pytest.mark.parametrize("name", ["runs", "prediction-jobs", "evaluations"])
def test_a_job_of_an_archived_project_is_not_retried(operator, a_job, name):
    failed = a_job(name, state="failed")
    Project.objects.update(archived_at=timezone.now())
    reply = send(operator, url(name, failed, "retry"))
    assert (reply.status_code, "is archived" in reply.json()["detail"]) == (409, True)
    assert MODELS[name].objects.count() == 1


# --- Who may ---


@pytest.mark.parametrize("group", ["viewer", "auditor", "operator", "admin"])
@pytest.mark.parametrize("action", ["cancel", "retry"])
@pytest.mark.parametrize("name", KINDS)
def test_a_role_decides_who_changes_a_job(
    person, client_of, a_job, name, action, group
):
    job = a_job(name, state={"cancel": "queued", "retry": "failed"}[action])
    before = MODELS[name].objects.values().get()
    body = {"reason": "x"} if action == "cancel" else {}
    reply = send(client_of(person(group)), url(name, job, action), body)
    if may_change(group, name):
        assert reply.status_code < 300
    else:
        assert (reply.status_code, reply.json()["code"]) == (403, "permission_denied")
        assert MODELS[name].objects.values().get() == before
        assert entries() == []


@pytest.mark.parametrize("name", KINDS)
def test_changing_a_job_needs_a_login(api, a_job, name):
    job = a_job(name)
    assert send(api, url(name, job, "cancel"), {"reason": "x"}).status_code == 401
    assert send(api, url(name, job, "retry")).status_code == 401
    assert send(api, f"/api/v1/{name}").status_code == 401
    assert entries() == []


@pytest.mark.parametrize("action", ["cancel", "retry"])
@pytest.mark.parametrize("name", KINDS)
def test_a_job_that_does_not_exist_is_not_found(operator, name, action):
    reply = send(operator, f"/api/v1/{name}/77/{action}", {"reason": "x"})
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


def test_changing_jobs_is_throttled(operator, a_job, monkeypatch):
    from rest_framework.throttling import UserRateThrottle

    monkeypatch.setattr(UserRateThrottle, "rate", "1/min", raising=False)
    job = a_job("runs")
    statuses = [send(operator, url("runs", job, "cancel")).status_code for _ in "12"]
    assert statuses == [400, 429]


def test_training_runs_cannot_be_started_through_rest(operator, project):
    assert send(operator, "/api/v1/runs").status_code == 405


# --- Reading ---


@pytest.mark.parametrize("name", KINDS)
def test_the_log_is_read_as_text(viewer, a_job, name):
    job = a_job(name, log="<b>épo</b>ch 1\n")
    reply = viewer.get(url(name, job, "log"), HTTP_ACCEPT="text/plain")
    assert (reply.status_code, reply.content.decode()) == (200, "<b>épo</b>ch 1\n")
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "log" not in viewer.get(f"/api/v1/{name}").json()["results"][0]


@pytest.mark.parametrize(
    ("name", "words", "field"),
    [
        ("audit-jobs", "kind=verify&state=queued", None),
        ("audit-jobs", "kind=import", "kind"),
        ("audit-jobs", "state=sleeping", "state"),
        ("prediction-jobs", "labelstudio_id=41&state=queued", None),
        ("prediction-jobs", "state=sleeping", "state"),
        ("evaluations", "labelstudio_id=41&version=v1&state=queued", None),
        ("evaluations", "verdict=good", "verdict"),
        ("evaluations", "state=sleeping", "state"),
        ("runs", "trigger=person&state=queued", None),
        ("runs", "trigger=chance", "trigger"),
    ],
)
def test_jobs_are_filtered(viewer, a_job, name, words, field):
    a_job(name)
    a_job(name, state="failed")
    reply = viewer.get(f"/api/v1/{name}?{words}")
    if field:
        assert (reply.status_code, reply.json()["field"]) == (400, field)
    else:
        assert [row["state"] for row in reply.json()["results"]] == ["queued"]
