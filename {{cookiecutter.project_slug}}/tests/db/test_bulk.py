"""Bulk predictions: every known task once, with progress, despite interruptions."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.utils import timezone

from lsml.audit.models import AuditEntry, Prediction
from lsml.dataset.models import Task
from lsml.inference.bulk import jobs, work
from lsml.inference.management.commands import predict as predict_command
from lsml.inference.models import PredictionJob
from lsml.inference.steps import next_step
from lsml.jobs import outcomes
from lsml.jobs.errors import IllegalMove, JobRefused
from lsml.jobs.services import request_cancel, retry
from lsml.labelstudio.identity import ProjectKey
from lsml.registry.errors import StorageUnavailable
from lsml.registry.models import ModelVersion
from lsml.registry.services import get_or_create_project
from tests.broker import collect_messages
from tests.db.conftest import CONFIG
from tests.http_stub import http_stub

# What an empty Label Studio answers.
LABEL_STUDIO = {
    "/api/projects/1/": {"label_config": CONFIG, "task_number": 10},
    "/api/projects/1/model-versions/": {"static": []},
    "/api/projects/1/import/predictions": {"created": 10},
}
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("placement")]


@pytest.fixture(autouse=True)
def notifications(monkeypatch):
    return collect_messages(monkeypatch)


@pytest.fixture
def project():
    return get_or_create_project(ProjectKey.parse("1.1795433940"))


@pytest.fixture
def known(project, monkeypatch):
    monkeypatch.setattr(work, "STEP", 4)
    Task.objects.bulk_create(
        [
            Task(
                project=project,
                task_id=number,
                data={"text": f"text {number}"},
                updated_at=timezone.now(),
            )
            for number in range(1, 11)
        ]
    )
    return project


@pytest.fixture
def job(known, origin):
    return jobs.start_job(project=known, actor="olga", origin=origin)


def test_every_known_task_is_predicted_and_recorded_once(job, constant):
    Task.objects.filter(task_id=3).update(deleted_at=timezone.now())
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, job.model_version) == ("succeeded", 9, "0.0.1")
    rows = Prediction.objects.order_by("pk")
    assert [row.task_id for row in rows] == [1, 2, *range(4, 11)]
    assert {row.kind for row in rows} == {"bulk"}


def test_a_job_waits_while_the_artifact_storage_is_away(job, constant, monkeypatch):
    monkeypatch.setattr(StorageUnavailable, "retry_after_s", 0.01)
    predict, refused = work.predict, []

    def refuse_twice(*args, **options):
        if len(refused) < 2:
            refused.append(1)
            raise StorageUnavailable("connection refused")
        return predict(*args, **options)

    monkeypatch.setattr(work, "predict", refuse_twice)
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, job.failed) == ("succeeded", 10, 0)


def test_the_request_is_recorded_and_only_one_job_runs_at_a_time(job, known, origin):
    assert AuditEntry.objects.get(verb="bulk prediction requested").actor == "olga"
    with pytest.raises(JobRefused, match="under way"):
        jobs.start_job(project=known, actor="olga", origin=origin)


def test_without_known_tasks_it_says_what_to_do(project, origin):
    with pytest.raises(JobRefused, match=r"manage.py sync --project 1"):
        jobs.start_job(project=project, actor="olga", origin=origin)


def test_a_job_continues_where_a_lost_worker_stopped(job, constant):
    half = Task.objects.get(task_id=4)
    PredictionJob.objects.update(
        state="running",
        lease_owner="gone",
        done=4,
        last_task_id=half.pk,
        lease_expires_at=Now() - timedelta(minutes=5),
    )
    outcomes.lose(PredictionJob.objects.get())
    work.predict_all(job.pk)
    assert [row.task_id for row in Prediction.objects.order_by("pk")] == [*range(5, 11)]


def test_a_job_at_work_is_left_to_its_process(job, constant):
    PredictionJob.objects.update(state="running", lease_owner="busy")
    work.predict_all(job.pk)
    assert not Prediction.objects.exists()


def test_a_cancelled_job_stops_after_its_step(job, constant, origin):
    def stop(_job):
        request_cancel(job, actor="olga", reason="enough", origin=origin)

    work.predict_all(job.pk, on_step=stop)
    job.refresh_from_db()
    assert (job.state, Prediction.objects.count()) == ("cancelled", 8)


def test_a_cancelled_job_reports_exactly_what_it_did(job, constant, origin):
    def stop(_job):
        request_cancel(job, actor="olga", reason="enough", origin=origin)

    work.predict_all(job.pk, on_step=stop)
    job.refresh_from_db()
    assert (job.done, job.total, job.progress) == (8, 10, 0.8)
    assert job.done == Prediction.objects.count()


def test_a_secret_in_the_reason_of_a_cancellation_is_not_stored(job, origin):
    request_cancel(job, actor="olga", reason="password=hunter2 leaked", origin=origin)
    job.refresh_from_db()
    assert job.cancel_reason.endswith("leaked")
    assert "hunter2" not in job.cancel_reason
    assert "hunter2" not in AuditEntry.objects.get(verb__contains="cancelled").reason


def test_a_job_stops_once_label_studio_deleted_the_project(job, constant, post, known):
    def delete(_job):
        assert post("/delete", {"project": str(known.key)}).status_code == 200

    work.predict_all(job.pk, on_step=delete)
    job.refresh_from_db()
    assert (job.state, job.done) == ("failed", 4)
    assert "was archived" in job.error


def test_cancelling_a_job_that_has_ended_is_refused_and_not_recorded(
    job, constant, origin
):
    work.predict_all(job.pk)
    with pytest.raises(IllegalMove):
        request_cancel(job, actor="olga", reason="too late", origin=origin)
    assert not AuditEntry.objects.filter(verb="bulk prediction cancelled").exists()
    assert PredictionJob.objects.get().state == "succeeded"


def test_a_job_that_has_ended_no_longer_says_that_it_starts(job, constant):
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert (job.state, job.message) == ("succeeded", "")


def test_retrying_a_job_that_succeeded_is_refused_in_plain_words(job, constant, origin):
    work.predict_all(job.pk)
    job.refresh_from_db()
    with pytest.raises(IllegalMove, match="left nothing to retry"):
        retry(job, actor="olga", origin=origin)


def test_a_retried_job_continues_where_the_cancelled_one_ended(job, constant, origin):
    def stop(_job):
        request_cancel(job, actor="olga", reason="enough", origin=origin)

    work.predict_all(job.pk, on_step=stop)
    job.refresh_from_db()
    again = retry(job, actor="olga", origin=origin)
    work.predict_all(again.pk)
    again.refresh_from_db()
    assert (again.state, again.done) == ("succeeded", 10)
    assert [row.task_id for row in Prediction.objects.order_by("pk")] == [*range(1, 11)]


def test_a_step_that_fails_is_counted_and_the_others_go_on(job, scripted):
    scripted.answer = lambda _model, tasks: (
        [{"result": []} for _ in tasks] if tasks[0]["id"] != 5 else 1 / 0
    )
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, job.failed) == ("succeeded", 10, 4)
    assert "ZeroDivisionError" in job.error


def test_a_job_without_a_single_answer_fails_and_a_retry_begins_again(
    job, scripted, origin
):
    scripted.answer = lambda _model, _tasks: 1 / 0
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, job.failed) == ("failed", 10, 10)
    assert "No task could be predicted. " in job.error
    assert "ZeroDivisionError" in job.error
    scripted.answer = lambda _model, tasks: [{"result": []} for _ in tasks]
    again = retry(job, actor="olga", origin=origin)
    work.predict_all(again.pk)
    again.refresh_from_db()
    assert (again.state, again.predicted, again.failed) == ("succeeded", 10, 0)


@pytest.fixture
def hostile(known, post, server):
    """A host that a caller of /setup names as Label Studio's."""
    body = {"project": str(known.key), "schema": CONFIG, "hostname": server.url}
    assert post("/setup", body).status_code == 200
    known.refresh_from_db()
    assert known.hostname == server.url
    return server


def test_the_key_goes_to_no_host_that_a_caller_of_setup_names(
    hostile, job, constant, settings
):
    settings.LABEL_STUDIO_API_KEY, settings.LABEL_STUDIO_URL = "key", ""
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done) == ("succeeded", 10)
    assert hostile.requests == []


def test_predictions_go_to_the_label_studio_the_operator_configured(
    hostile, job, constant, settings
):
    with http_stub() as configured:
        configured.answers |= LABEL_STUDIO
        settings.LABEL_STUDIO_API_KEY = "key"
        settings.LABEL_STUDIO_URL = configured.url
        work.predict_all(job.pk)
        sent = {path: headers["Authorization"] for path, headers in configured.requests}
    assert sent["/api/projects/1/import/predictions"] == "Token key"
    assert set(sent.values()) == {"Token key"}
    assert hostile.requests == []


def test_the_command_says_what_to_set_for_predictions_to_be_sent(known, constant):
    output = StringIO()
    call_command("predict", project=1, stdout=StringIO(), stderr=output)
    assert "set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY" in output.getvalue()


def test_the_command_predicts_and_says_how_many(known, constant):
    output = StringIO()
    call_command("predict", project=1, stdout=output)
    assert output.getvalue() == "10 tasks: 10 predicted by 0.0.1.\n"


@pytest.mark.django_db(transaction=True)  # it loads in a thread of its own
def test_the_promote_command_serves_a_version_with_a_reason(project, constant):
    ModelVersion.objects.create(
        project=project, number=1, version="v1", created_at=timezone.now()
    )
    output = StringIO()
    call_command("promote", "1", "v1", reason="better", stdout=output)
    project.refresh_from_db()
    assert project.served_version == "v1"
    assert project.promotions.get().reason == "better"
    with pytest.raises(CommandError, match="Known: v1"):
        call_command("promote", "1", "v9", reason="?")


def test_the_command_waits_for_a_worker_that_claimed_the_job_first(
    known, constant, monkeypatch
):
    looks = []

    def end_meanwhile(seconds):
        looks.append(seconds)
        PredictionJob.objects.update(
            state="succeeded", done=10, predicted=10, model_version="0.0.1"
        )

    def claimed_elsewhere(job_id, on_step):
        PredictionJob.objects.filter(pk=job_id).update(state="running")

    monkeypatch.setattr(predict_command, "predict_all", claimed_elsewhere)
    monkeypatch.setattr(predict_command.time, "sleep", end_meanwhile)
    output = StringIO()
    call_command("predict", project=1, stdout=output)
    assert output.getvalue() == "10 tasks: 10 predicted by 0.0.1.\n"
    assert looks


def test_a_slow_model_gets_few_tasks_at_a_time_and_a_quick_one_many():
    slow = quick = 10
    for _ in range(12):
        slow = next_step(slow, took_s=slow * 0.7, most=work.STEP)
        quick = next_step(quick, took_s=quick * 0.001, most=work.STEP)
    assert (slow, quick) == (1, work.STEP)


def test_a_task_with_a_number_of_more_than_64_bits_is_predicted(job, constant):
    Task.objects.filter(task_id=1).update(data={"n": 10**21})
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert (job.state, job.failed) == ("succeeded", 0)
