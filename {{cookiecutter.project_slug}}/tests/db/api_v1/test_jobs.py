"""Jobs of the operators' API: starting, cancelling and retrying them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from lsml.audit import jobs
from lsml.audit.models import AuditEntry, AuditJob
from lsml.dataset.models import Task
from lsml.inference import bulk
from lsml.inference.models import PredictionJob
from lsml.registry.models import Project
from lsml.training import runs
from lsml.training.models import TrainingRun
from tests.broker import collect_messages

pytestmark = pytest.mark.django_db
KINDS = ["runs", "prediction-jobs", "audit-jobs"]
MODELS = {"runs": TrainingRun, "prediction-jobs": PredictionJob, "audit-jobs": AuditJob}
TASKS = {
    "runs": runs.kind.task,
    "prediction-jobs": bulk.kind.task,
    "audit-jobs": jobs.kind.task,
}
VERBS = {
    "runs": "training",
    "prediction-jobs": "bulk prediction",
    "audit-jobs": "verify",
}
OCTOBER = {"since": "2026-10-01T00:00:00Z", "until": "2026-11-01T00:00:00Z"}


@pytest.fixture(autouse=True)
def notifications(monkeypatch):
    return collect_messages(monkeypatch)


@pytest.fixture
def operator(person, client_of):
    return client_of(person("operator", "olga"))


@pytest.fixture
def project():
    """A project with one known task."""
    project = Project.objects.create(labelstudio_id=41)
    Task.objects.create(
        project=project, task_id=1, data={"text": "a"}, updated_at=timezone.now()
    )
    return project


@pytest.fixture
def a_job(project):
    """Make a job of a kind."""

    def make(name, **facts):
        own = {
            "runs": {"project": project, "trigger": "person"},
            "prediction-jobs": {"project": project, "total": 1},
            "audit-jobs": {"kind": "verify"},
        }[name]
        facts = {"requested_by": "ana", "created_at": timezone.now()} | own | facts
        return MODELS[name].objects.create(**facts)

    return make


def url(name, job, action):
    return f"/api/v1/{name}/{job.pk}/{action}"


def send(client, address, body=None):
    return client.post(address, body or {}, format="json")


def entries():
    return [(e.verb, e.actor, e.reason) for e in AuditEntry.objects.order_by("pk")]


def may_change(group, name):
    return group in {"operator", "admin"} or (group, name) == ("auditor", "audit-jobs")


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


@pytest.mark.parametrize("name", ["prediction-jobs", "audit-jobs"])
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


@pytest.mark.parametrize("name", ["runs", "prediction-jobs"])
def test_a_job_is_not_retried_beside_an_active_one(operator, a_job, name):
    failed = a_job(name, state="failed")
    a_job(name)
    assert send(operator, url(name, failed, "retry")).status_code == 409
    assert (MODELS[name].objects.count(), entries()) == (2, [])


@pytest.mark.parametrize("name", ["runs", "prediction-jobs"])
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
    reply = send(client_of(person(group)), url(name, job, action), {"reason": "x"})
    if may_change(group, name):
        assert reply.status_code < 300
    else:
        assert (reply.status_code, reply.json()["code"]) == (403, "permission_denied")
        assert MODELS[name].objects.values().get() == before
        assert entries() == []


@pytest.mark.parametrize("group", ["viewer", "auditor", "operator", "admin"])
@pytest.mark.parametrize("name", ["prediction-jobs", "audit-jobs"])
def test_a_role_decides_who_starts_a_job(person, client_of, project, name, group):
    body = {"project_id": project.pk, "kind": "verify"}
    reply = send(client_of(person(group)), f"/api/v1/{name}", body)
    allowed = may_change(group, name)
    assert reply.status_code == (201 if allowed else 403)
    assert MODELS[name].objects.count() == len(entries()) == int(allowed)


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


def test_training_runs_are_not_started_here(operator, project):
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


# --- Bulk predictions ---


def test_a_bulk_prediction_is_started(
    operator, project, notifications, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        reply = send(operator, "/api/v1/prediction-jobs", {"project_id": project.pk})
    job = PredictionJob.objects.get()
    row = reply.json()
    assert (reply.status_code, row["id"], row["state"]) == (201, job.pk, "queued")
    assert (row["project_id"], row["requested_by"]) == (project.pk, "olga")
    assert (job.project, job.requested_by, job.total) == (project, "olga", 1)
    entry = AuditEntry.objects.get()
    assert entries() == [("bulk prediction requested", "olga", "")]
    assert entry.request_id == reply.headers["X-Request-ID"]
    assert notifications == [(bulk.kind.task, job.pk)]


@pytest.mark.parametrize("key", [0, 77, 10**30, "x", 1.5, True, None, [1]])
def test_an_unknown_project_is_not_predicted(operator, key):
    reply = send(operator, "/api/v1/prediction-jobs", {"project_id": key})
    assert (reply.status_code, reply.json()["field"]) == (400, "project_id")
    assert (PredictionJob.objects.count(), entries()) == (0, [])


def test_an_archived_project_is_not_predicted(operator, project):
    Project.objects.update(archived_at=timezone.now())
    reply = send(operator, "/api/v1/prediction-jobs", {"project_id": project.pk})
    assert (reply.status_code, reply.json()["field"]) == (400, "project_id")
    assert "it is archived" in reply.json()["detail"]
    assert not PredictionJob.objects.exists()


def test_a_project_has_one_active_bulk_prediction(operator, project, a_job):
    a_job("prediction-jobs", state="running")
    reply = send(operator, "/api/v1/prediction-jobs", {"project_id": project.pk})
    assert (reply.status_code, reply.json()["code"]) == (409, "refused")
    assert (PredictionJob.objects.count(), entries()) == (1, [])


def test_a_project_without_known_tasks_is_not_predicted(operator, project):
    Task.objects.all().delete()
    reply = send(operator, "/api/v1/prediction-jobs", {"project_id": project.pk})
    assert (reply.status_code, "sync" in reply.json()["detail"]) == (409, True)


# --- Verifications and exports ---


@pytest.mark.parametrize("since", [None, "2026-11-01T00:00:00Z"])
def test_a_verification_is_started(
    auditor, since, notifications, django_capture_on_commit_callbacks
):
    body = {"kind": "verify", "since": since}
    with django_capture_on_commit_callbacks(execute=True):
        reply = send(auditor, "/api/v1/audit-jobs", body)
    job = AuditJob.objects.get()
    row = reply.json()
    assert (reply.status_code, row["id"], row["kind"]) == (201, job.pk, "verify")
    assert (row["since"], row["until"], row["file_format"]) == (since, None, "")
    assert entries() == [("verify requested", "otto", "")]
    assert notifications == [(jobs.kind.task, job.pk)]


@pytest.mark.parametrize(
    ("body", "file_format"), [({}, "jsonl"), ({"file_format": "csv"}, "csv")]
)
def test_an_export_is_started(auditor, body, file_format):
    body = {"kind": "export"} | OCTOBER | body
    reply = send(auditor, "/api/v1/audit-jobs", body)
    job = AuditJob.objects.get()
    assert (reply.status_code, reply.json()["id"]) == (201, job.pk)
    assert (job.kind, job.file_format) == ("export", file_format)
    assert job.since == datetime(2026, 10, 1, tzinfo=UTC)
    assert job.until == datetime(2026, 11, 1, tzinfo=UTC)
    assert entries() == [("export requested", "otto", "")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "import"}, "kind"),
        ({"kind": "export"}, "since"),
        ({"kind": "export", "since": OCTOBER["since"]}, "until"),
        ({"kind": "export", "until": OCTOBER["until"]}, "since"),
        (
            {"kind": "export", "since": OCTOBER["until"], "until": OCTOBER["since"]},
            "until",
        ),
        (
            {"kind": "export", "since": OCTOBER["since"], "until": OCTOBER["since"]},
            "until",
        ),
        ({"kind": "export", "since": "yesterday", "until": "today"}, "since"),
        ({"kind": "export", "file_format": "xls", **OCTOBER}, "file_format"),
        ({"kind": "verify", "until": OCTOBER["until"]}, "until"),
    ],
)
def test_a_wrong_audit_job_is_refused_and_the_field_named(auditor, body, field):
    reply = send(auditor, "/api/v1/audit-jobs", body)
    assert (reply.status_code, reply.json()["field"]) == (400, field)
    assert (AuditJob.objects.count(), entries()) == (0, [])


@pytest.fixture
def exported(a_job, settings, tmp_path):
    """An export whose file is kept."""
    settings.STORAGES = settings.STORAGES | {
        "artifacts": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path},
        }
    }
    since = datetime(2026, 10, 1, tzinfo=UTC)
    return a_job(
        "audit-jobs",
        kind="export",
        state="succeeded",
        since=since,
        until=since + timedelta(days=31),
        file_key=jobs.export_storage().save("exports/1.zip", ContentFile(b"PK")),
    )


@pytest.mark.parametrize("accept", ["*/*", "application/zip"])
def test_a_download_is_recorded(auditor, exported, accept):
    reply = auditor.get(url("audit-jobs", exported, "file"), HTTP_ACCEPT=accept)
    assert (reply.status_code, reply.getvalue()) == (200, b"PK")
    assert reply.headers["Content-Type"] == "application/zip"
    assert "audit-20261001-20261101.zip" in reply.headers["Content-Disposition"]
    assert entries() == [("export downloaded", "otto", "")]


def test_a_file_that_was_removed_is_not_found(auditor, exported):
    jobs.export_storage().delete(exported.file_key)
    reply = auditor.get(url("audit-jobs", exported, "file"))
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")
    assert "start a new export" in reply.json()["detail"]
    assert entries() == []


def test_a_verification_has_no_file(auditor, a_job):
    job = a_job("audit-jobs", state="succeeded")
    assert auditor.get(url("audit-jobs", job, "file")).status_code == 404


def test_a_viewer_may_not_download_an_export(viewer, exported):
    assert viewer.get(url("audit-jobs", exported, "file")).status_code == 403
    assert entries() == []
