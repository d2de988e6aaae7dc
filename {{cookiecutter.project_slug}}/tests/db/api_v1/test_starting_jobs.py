"""Jobs of the operators' API: how those of each kind are started, but training runs.

An export's file is downloaded.
"""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from lsml.audit import jobs
from lsml.audit.models import AuditEntry, AuditJob
from lsml.dataset.models import Task
from lsml.inference.bulk.jobs import kind as prediction_kind
from lsml.inference.models import PredictionJob
from lsml.quality.evaluation.jobs import kind as evaluation_kind
from lsml.quality.models import Evaluation
from lsml.registry.models import ModelVersion, Project
from tests.broker import collect_messages
from tests.db.api_v1.jobs import MODELS, entries, may_change, send, url

pytestmark = pytest.mark.django_db
OCTOBER = {"since": "2026-10-01T00:00:00Z", "until": "2026-11-01T00:00:00Z"}


@pytest.fixture(autouse=True)
def notifications(monkeypatch):
    return collect_messages(monkeypatch)


@pytest.mark.parametrize("group", ["viewer", "auditor", "operator", "admin"])
@pytest.mark.parametrize("name", ["prediction-jobs", "evaluations", "audit-jobs"])
def test_a_role_decides_who_starts_a_job(
    person, client_of, project, version, name, group
):
    bodies = {
        "prediction-jobs": {"project_pk": project.pk},
        "evaluations": {"version_id": version.pk},
    }
    body = bodies.get(name, {"kind": "verify"})
    reply = send(client_of(person(group)), f"/api/v1/{name}", body)
    allowed = may_change(group, name)
    assert reply.status_code == (201 if allowed else 403)
    assert MODELS[name].objects.count() == len(entries()) == int(allowed)


# --- Evaluations ---


def test_an_evaluation_is_started(
    operator, version, notifications, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        reply = send(operator, "/api/v1/evaluations", {"version_id": version.pk})
    job = Evaluation.objects.get()
    row = reply.json()
    assert (reply.status_code, row["id"], row["state"]) == (201, job.pk, "queued")
    assert (row["version"], row["verdict"], row["report"]) == ("v1", "", {})
    assert (job.version, job.requested_by) == (version, "olga")
    assert entries() == [("evaluation requested", "olga", "")]
    assert notifications == [(evaluation_kind.task, job.pk)]


def test_a_version_is_evaluated_once_at_a_time(operator, version):
    body = {"version_id": version.pk}
    statuses = [send(operator, "/api/v1/evaluations", body) for _ in "12"]
    assert [reply.status_code for reply in statuses] == [201, 409]
    assert "is being evaluated already" in statuses[1].json()["detail"]
    assert len(entries()) == 1


def test_a_version_without_held_out_tasks_is_not_evaluated(operator, version):
    ModelVersion.objects.update(held_out_tasks=0)
    reply = send(operator, "/api/v1/evaluations", {"version_id": version.pk})
    assert (reply.status_code, reply.json()["code"]) == (409, "refused")
    assert "nothing to evaluate it on" in reply.json()["detail"]
    assert not Evaluation.objects.exists()


@pytest.mark.parametrize(
    "body", [{}, {"version_id": 2_000_000_000}, {"version_id": "v1"}]
)
def test_an_evaluation_needs_a_version_that_exists(operator, version, body):
    reply = send(operator, "/api/v1/evaluations", body)
    assert (reply.status_code, reply.json()["field"]) == (400, "version_id")


def test_an_evaluation_of_an_archived_project_is_refused(operator, version):
    Project.objects.update(archived_at=timezone.now())
    reply = send(operator, "/api/v1/evaluations", {"version_id": version.pk})
    assert (reply.status_code, "is archived" in reply.json()["detail"]) == (409, True)


def test_an_ended_evaluation_has_its_verdict_and_its_figures(
    viewer, a_job, version, project
):
    versions = [{"version": "v1", "score": [0.9, 0.8, 1.0]}, {"version": "0.0.1"}]
    report = {"versions": versions, "comparison": {}}
    verdict = {"verdict": "held back", "reason": "it is slow", "task_count": 43}
    job = a_job("evaluations", state="succeeded", report=report, **verdict)
    row = viewer.get(f"/api/v1/evaluations/{job.pk}").json()
    assert (row["version"], row["compared_with"]) == ("v1", "0.0.1")
    assert (row["project_pk"], row["report"]) == (project.pk, report)
    assert {name: row[name] for name in verdict} == verdict
    passed = viewer.get("/api/v1/evaluations?verdict=passed").json()
    held_back = viewer.get("/api/v1/evaluations?verdict=held back").json()
    assert (passed["count"], held_back["count"]) == (0, 1)


@pytest.mark.parametrize("name", ["evaluations", "evaluations?format=jsonl"])
def test_a_list_of_evaluations_has_the_scores_and_not_the_whole_report(
    operator, a_job, name
):
    versions = [{"score": [0.9, 0.8, 1.0]}, {"score": None}]
    a_job("evaluations", state="succeeded", report={"versions": versions})
    reply = operator.get(f"/api/v1/{name}")
    rows = (
        [orjson.loads(reply.getvalue())] if reply.streaming else reply.json()["results"]
    )
    assert [(row["score"], row["compared_score"]) for row in rows] == [
        ([0.9, 0.8, 1.0], None)
    ]
    assert all("report" not in row for row in rows)


# --- Bulk predictions ---


def test_a_bulk_prediction_is_started(
    operator, project, notifications, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        reply = send(operator, "/api/v1/prediction-jobs", {"project_pk": project.pk})
    job = PredictionJob.objects.get()
    row = reply.json()
    assert (reply.status_code, row["id"], row["state"]) == (201, job.pk, "queued")
    assert (row["project_pk"], row["requested_by"]) == (project.pk, "olga")
    assert (job.project, job.requested_by, job.total) == (project, "olga", 1)
    entry = AuditEntry.objects.get()
    assert entries() == [("bulk prediction requested", "olga", "")]
    assert entry.request_id == reply.headers["X-Request-ID"]
    assert notifications == [(prediction_kind.task, job.pk)]


def test_a_bulk_prediction_of_some_tasks_is_started(operator, project):
    body = {"project_pk": project.pk, "only": "unlabelled", "task_ids": [1, 2]}
    row = send(operator, "/api/v1/prediction-jobs", body).json()
    job = PredictionJob.objects.get()
    assert (job.only, job.task_ids, job.total) == ("unlabelled", [1, 2], 1)
    assert (row["only"], row["task_ids"], row["replace"]) == (
        "unlabelled", [1, 2], False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [{"only": "some"}, {"task_ids": [-1]}, {"task_ids": "1"}, {"view": 0}],
)
def test_unusable_options_are_refused(operator, project, options):
    body = {"project_pk": project.pk, **options}
    assert send(operator, "/api/v1/prediction-jobs", body).status_code == 400
    assert not PredictionJob.objects.exists()


def test_a_bulk_prediction_of_a_view_that_deletes_older_ones_is_started(
    operator, project, settings
):
    settings.LABEL_STUDIO_URL, settings.LABEL_STUDIO_API_KEY = "http://ls", "key"
    body = {"project_pk": project.pk, "view": 5, "delete_older": True}
    row = send(operator, "/api/v1/prediction-jobs", body).json()
    job = PredictionJob.objects.get()
    assert (job.view, job.delete_older, job.total) == (5, True, 0)
    assert (row["view"], row["delete_older"], row["removed"]) == (5, True, 0)
    detail = AuditEntry.objects.get().detail
    assert (detail["view"], detail["delete_older"]) == (5, True)


def test_a_view_without_access_to_label_studio_is_refused(operator, project):
    body = {"project_pk": project.pk, "view": 5}
    reply = send(operator, "/api/v1/prediction-jobs", body)
    assert (reply.status_code, "LABEL_STUDIO_URL" in reply.json()["detail"]) == (
        409, True,
    )  # fmt: skip


def test_the_problems_of_a_bulk_prediction_are_downloaded(auditor, a_job):
    job, other = a_job("prediction-jobs"), a_job("prediction-jobs", state="failed")
    for of, task_id in ((job, 7), (other, 8)):
        of.problems.create(task_id=task_id, kind="gone", reason="It was deleted.")
    address = f"/api/v1/prediction-problems?job={job.pk}"
    [row] = auditor.get(address).json()["results"]
    assert (row["task_id"], row["kind"]) == (7, "gone")
    lines = auditor.get(f"{address}&format=csv").getvalue().decode().splitlines()
    assert lines[0] == "id,job,task_id,kind,reason"
    assert lines[1].endswith(f",{job.pk},7,gone,It was deleted.".lstrip(","))


@pytest.mark.parametrize("key", [0, 77, 10**30, "x", 1.5, True, None, [1]])
def test_an_unknown_project_is_not_predicted(operator, key):
    reply = send(operator, "/api/v1/prediction-jobs", {"project_pk": key})
    assert (reply.status_code, reply.json()["field"]) == (400, "project_pk")
    assert (PredictionJob.objects.count(), entries()) == (0, [])


def test_an_archived_project_is_not_predicted(operator, project):
    Project.objects.update(archived_at=timezone.now())
    reply = send(operator, "/api/v1/prediction-jobs", {"project_pk": project.pk})
    assert (reply.status_code, reply.json()["field"]) == (400, "project_pk")
    assert "it is archived" in reply.json()["detail"]
    assert not PredictionJob.objects.exists()


def test_a_project_has_one_active_bulk_prediction(operator, project, a_job):
    a_job("prediction-jobs", state="running")
    reply = send(operator, "/api/v1/prediction-jobs", {"project_pk": project.pk})
    assert (reply.status_code, reply.json()["code"]) == (409, "refused")
    assert (PredictionJob.objects.count(), entries()) == (1, [])


def test_a_project_without_known_tasks_is_not_predicted(operator, project):
    Task.objects.all().delete()
    reply = send(operator, "/api/v1/prediction-jobs", {"project_pk": project.pk})
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
        ({"kind": "export", **OCTOBER, "since": "yesterday"}, "since"),
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
    assert "Start a new export" in reply.json()["detail"]
    assert entries() == []


def test_a_verification_has_no_file(auditor, a_job):
    job = a_job("audit-jobs", state="succeeded")
    assert auditor.get(url("audit-jobs", job, "file")).status_code == 404


def test_a_viewer_may_not_download_an_export(viewer, exported):
    assert viewer.get(url("audit-jobs", exported, "file")).status_code == 403
    assert entries() == []


def test_a_body_above_the_limit_is_refused(operator, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    reply = operator.post("/api/v1/audit-jobs", {"kind": "y" * 200}, format="json")
    assert reply.status_code == 413
    assert reply.json()["code"] == "too_large"
