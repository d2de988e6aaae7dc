"""Queues without a worker, and work that waits too long, are found."""

from datetime import timedelta

import pytest
from celery import Celery
from django.utils import timezone

from lsml.audit.models import AuditJob
from lsml.doctor import work
from lsml.jobs import workers
from lsml.registry.models import Project
from lsml.training.models import InboxEntry, RunEvent, TrainingRun

NOW = timezone.now


@pytest.fixture
def app(broker, monkeypatch):
    """Yield Celery with a database of the broker that no other test uses."""
    app = Celery(set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.conf.broker_url = broker.replace("virtual_host=0", "virtual_host=7")
    monkeypatch.setattr(workers, "current_app", app)
    with app.pool.acquire() as connection, connection.channel() as channel:
        channel.client.flushdb()
    yield app
    app.close()


def test_all_queues_without_a_worker_are_found(app, attention):
    assert set(attention(work.check_queues)) == {
        "queue default",
        "queue scheduled",
        "queue training",
    }


def test_only_the_queue_that_no_worker_takes_is_found(app, monkeypatch, attention):
    taken = {"a worker": {"default", "scheduled"}}
    monkeypatch.setattr(work, "answering_workers", lambda: taken)
    found = attention(work.check_queues)
    assert set(found) == {"queue training"}
    assert "--queues training" in found["queue training"].next_step


def test_a_queue_with_many_waiting_messages_is_found(app, monkeypatch, attention):
    taken = {"a worker": {"default", "scheduled", "training"}}
    monkeypatch.setattr(work, "answering_workers", lambda: taken)
    monkeypatch.setattr(work, "WAITING_MAX", 2)
    app.send_task("lsml.training.tasks.train", args=(1,))
    assert attention(work.check_queues) == {}
    app.send_task("lsml.training.tasks.train", args=(2,))
    found = attention(work.check_queues)
    assert {item: each.text for item, each in found.items()} == {
        "queue training": "workers: 1; messages waiting: 2"
    }


@pytest.fixture
def project(db):
    return Project.objects.create(labelstudio_id=1, created_stamp=7, title="Mail")


def waiting(project, minutes, **facts):
    at = NOW() - timedelta(minutes=minutes)
    number = InboxEntry.objects.count() + 1
    return InboxEntry.objects.create(
        event_id=number,
        project=project,
        action="ANNOTATION_CREATED",
        received_at=at,
        **{"annotations": 1, "applied_at": at} | facts,
    )


def run_of(project, state, **facts):
    return TrainingRun.objects.create(
        project=project,
        state=state,
        trigger="annotations",
        requested_by="policy",
        **{"created_at": NOW()} | facts,
    )


def test_events_that_should_have_started_a_run_are_found(project, attention):
    waiting(project, minutes=5)
    assert attention(work.check_inbox) == {}
    waiting(project, minutes=15)
    assert "1 events wait" in attention(work.check_inbox)["inbox"].text


def test_events_that_no_worker_has_applied_are_found(project, attention):
    Project.objects.update(training_mode="manual")
    waiting(project, minutes=15, applied_at=None)
    assert "inbox" in attention(work.check_inbox)


@pytest.mark.parametrize(
    "policy",
    [{"training_mode": "manual"}, {"training_paused": True}, {"min_annotations": 2}],
)
def test_events_that_wait_by_the_projects_policy_are_not_stuck(
    project, attention, policy
):
    Project.objects.update(**policy)
    waiting(project, minutes=15)
    assert attention(work.check_inbox) == {}


def test_events_that_wait_for_the_end_of_a_run_are_not_stuck(project, attention):
    waiting(project, minutes=15)
    run_of(project, "running")
    assert attention(work.check_inbox) == {}


def test_a_project_whose_last_run_failed_is_found(project, attention):
    run_of(project, "failed", error="ValueError: only one class")
    assert "only one class" in attention(work.check_projects)["projects"].text
    run_of(project, "succeeded")
    assert attention(work.check_projects) == {}


def test_a_failed_run_is_found_until_the_next_one_has_ended(project, attention):
    run_of(project, "failed")
    run_of(project, "running")
    assert "projects" in attention(work.check_projects)


def test_a_failed_project_that_was_archived_is_not_found(project, attention):
    run_of(project, "failed")
    Project.objects.update(archived_at=NOW())
    assert attention(work.check_projects) == {}


def test_events_that_were_set_aside_are_found(project, attention):
    run = run_of(project, "succeeded")
    RunEvent.objects.create(
        run=run, event_id=1, action="x", received_at=NOW(), error="ValueError"
    )
    assert "1 events were set aside" in attention(work.check_projects)["projects"].text


@pytest.mark.slow
def test_a_job_that_no_worker_takes_is_found(db, attention):
    def queue(minutes):
        at = NOW() - timedelta(minutes=minutes)
        AuditJob.objects.create(kind="verify", requested_by="ann", created_at=at)

    queue(minutes=5)
    assert attention(work.check_jobs) == {}
    queue(minutes=15)
    assert set(attention(work.check_jobs)) == {"audit jobs"}
