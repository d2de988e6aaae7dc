"""Verifications and exports: started in the admin, executed by a worker."""

import io
import zipfile
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from lsml.audit import jobs, sealing
from lsml.audit.models import AuditEntry, AuditJob
from lsml.jobs import outcomes, sweeper
from lsml.jobs.services import request_cancel
from tests.console import factory
from tests.console.addresses import detail_page, list_page, page
from tests.db.audit.rows import as_superuser, predict


@pytest.fixture
def no_seal_yet(transactional_db):
    """Emptying the tables between tests leaves the sequence, which remembers seals."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('audit_seal_number_seq', 1, false)")


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["csv", "verify", "export"])
def test_a_viewer_exports_nothing(viewer, address):
    if address == "csv":
        answer = viewer.get(list_page("audit_prediction") + "csv/")
    else:
        answer = viewer.post(page(address))
    assert answer.status_code == 403
    assert not AuditJob.objects.exists()


@pytest.mark.django_db
def test_an_export_until_the_last_day_that_dates_know_is_refused(operator):
    answer = operator.post(
        page("export"),
        {"since": "2026-01-01", "until": "9999-12-31", "file_format": "jsonl"},
    )
    assert answer.status_code == 200
    assert "The last day is too late." in answer.text
    assert not AuditJob.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_auditor_verifies_the_chain_and_sees_it_intact(
    client, notifications, no_seal_yet
):
    client.force_login(factory.person("ada", "auditor"))
    predict(40)
    sealing.seal()
    client.post(page("verify"))
    job = AuditJob.objects.get()
    assert notifications == [(jobs.kind.task, job.pk)]
    jobs.run_audit_job(job.pk)
    jobs.run_audit_job(job.pk)  # a message that comes twice
    job.refresh_from_db()
    assert job.state == "succeeded"
    assert job.report["intact"]
    assert "seals verified" in client.get(list_page("audit_seal")).text
    assert AuditEntry.objects.filter(verb="verify succeeded").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_row_changed_behind_the_applications_back_is_shown(client, no_seal_yet):
    client.force_login(factory.person("ada", "auditor"))
    predict(9)
    predict(1, task_id=3)
    sealing.seal()
    as_superuser("UPDATE audit_prediction SET score = 0.123 WHERE task_id = 3")
    client.post(page("verify"))
    job = AuditJob.objects.get()
    jobs.run_audit_job(job.pk)
    shown = client.get(detail_page(job)).text
    assert ">broken</span>" in shown
    assert "1 finding:" in shown


@pytest.mark.django_db(transaction=True)
def test_an_export_is_started_made_and_downloaded(client, settings, tmp_path):
    settings.STORAGES = settings.STORAGES | {
        "artifacts": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path},
        }
    }
    client.force_login(factory.person("ada", "auditor"))
    factory.story(predictions=40)
    sealing.seal()
    today = timezone.now()
    days = {"since": f"{today - timedelta(days=2):%F}", "until": f"{today:%F}"}
    client.post(page("export"), days | {"file_format": "csv"})
    job = AuditJob.objects.get()
    jobs.run_audit_job(job.pk)
    answer = client.get(page("audit_job_file", job.pk))
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as made:
        assert "manifest.json" in made.namelist()
    assert AuditEntry.objects.filter(verb="export downloaded", actor="ada").exists()
    AuditJob.objects.update(finished_at=today - timedelta(days=8))
    jobs.remove_old_files()
    assert client.get(page("audit_job_file", job.pk)).status_code == 404


@pytest.fixture
def files(settings, tmp_path):
    """Return a function that lists the stored export files."""
    settings.STORAGES = settings.STORAGES | {
        "artifacts": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path},
        }
    }
    return lambda: [path.name for path in tmp_path.rglob("*.zip")]


@pytest.fixture
def export(transactional_db, no_seal_yet):
    """An export that waits for a worker."""
    factory.story(predictions=10)
    sealing.seal()
    now = timezone.now()
    return jobs.start_export(
        since=now - timedelta(days=2),
        until=now,
        file_format="jsonl",
        actor="ada",
        origin=factory.ORIGIN,
    )


def test_a_second_attempt_at_an_export_replaces_the_file_of_the_first(export, files):
    jobs.run_audit_job(export.pk)
    first = files()
    AuditJob.objects.update(state="queued")  # as if its worker had died at the end
    jobs.run_audit_job(export.pk)
    assert len(first) == len(files()) == 1
    assert files() != first


def test_the_file_of_an_export_that_was_cancelled_is_removed_with_the_others(
    export, files, monkeypatch
):
    storage = jobs.export_storage()
    save = storage.save

    def cancel_meanwhile(name, content):
        request_cancel(
            AuditJob.objects.get(), actor="ada", reason="", origin=factory.ORIGIN
        )
        return save(name, content)

    monkeypatch.setattr(storage, "save", cancel_meanwhile)
    jobs.run_audit_job(export.pk)
    assert (AuditJob.objects.get().state, len(files())) == ("cancelled", 1)
    AuditJob.objects.update(finished_at=timezone.now() - timedelta(days=8))
    jobs.remove_old_files()
    assert files() == []


def test_an_export_lost_while_saving_leaves_no_file(export, files, monkeypatch):
    storage = jobs.export_storage()
    save = storage.save

    def lose_meanwhile(name, content):
        outcomes.lose(AuditJob.objects.get())
        return save(name, content)

    monkeypatch.setattr(storage, "save", lose_meanwhile)
    jobs.run_audit_job(export.pk)
    assert (AuditJob.objects.get().state, files()) == ("queued", [])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("address", ["verify", "export"])
def test_a_started_job_answers_with_its_page_and_wakes_a_worker(
    client, notifications, address
):
    client.force_login(factory.person("ada", "auditor"))
    day = f"{timezone.now():%F}"
    form = {"since": day, "until": day, "file_format": "csv"}
    answer = client.post(page(address), form)
    job = AuditJob.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, detail_page(job))
    assert notifications == [("lsml.audit.tasks.run_audit_job", job.pk)]


@pytest.mark.django_db
def test_a_job_whose_message_was_lost_is_sent_again(notifications):
    long_ago = timezone.now() - timedelta(days=1)
    waiting = AuditJob.objects.create(
        kind="verify", requested_by="a", created_at=long_ago, notified_at=long_ago
    )
    sweeper.sweep()
    assert notifications == [(jobs.kind.task, waiting.pk)]


@pytest.mark.django_db
def test_a_job_whose_worker_died_is_tried_again_and_then_fails(settings):
    settings.TRAINING_MAX_ATTEMPTS = 2
    long_ago = timezone.now() - timedelta(days=1)
    AuditJob.objects.create(kind="verify", requested_by="a", created_at=long_ago)
    states = []
    for _ in range(2):
        AuditJob.objects.update(
            state="running", lease_owner="host:1", lease_expires_at=long_ago
        )
        lose_silent_jobs()
        states.append(AuditJob.objects.get().state)
    assert states == ["queued", "failed"]
    assert "Gave up after 2 attempts" in AuditJob.objects.get().error


def lose_silent_jobs():
    """As the sweeper does, without the grace after a restart of PostgreSQL."""
    for job in AuditJob.objects.filter(state="running"):
        outcomes.lose(job)
