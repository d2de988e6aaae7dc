"""The sweeper finds forgotten work, even if one kind of job fails."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from lsml.environment.pace import Pace
from lsml.jobs import outcomes, sweeper, tasks
from lsml.jobs.kinds import all_kinds, kind_named

from .conftest import fall_silent, make, now, running

pytestmark = pytest.mark.django_db


@pytest.fixture
def no_grace(settings):
    """Leases expire even right after the start of PostgreSQL."""
    settings.TRAINING_LEASE_S = 0


def ago(seconds):
    return timezone.now() - timedelta(seconds=seconds)


def test_a_job_whose_message_was_lost_gets_another(kind, notifications):
    job = make(kind, notified_at=ago(outcomes.NOTIFY_AGAIN_S + 1))
    sweeper.notify_queued_jobs(kind)
    sweeper.notify_queued_jobs(kind)  # it has just been sent
    assert notifications == [(kind.task, job.pk)]


def test_a_job_that_a_host_with_a_fast_clock_queued_gets_another_message(
    kind, notifications
):
    job = make(kind, notified_at=ago(-90))
    sweeper.notify_queued_jobs(kind)
    sweeper.notify_queued_jobs(kind)
    assert notifications == [(kind.task, job.pk)]


def test_no_message_is_added_to_a_queue_in_which_many_wait(
    kind, notifications, monkeypatch
):
    make(kind, notified_at=None)
    monkeypatch.setattr(sweeper, "is_backed_up", lambda task: task == kind.task)
    sweeper.notify_queued_jobs(kind)
    assert notifications == []


def test_of_the_sweeps_that_piled_up_only_the_first_does_anything(monkeypatch):
    swept = []
    monkeypatch.setattr(sweeper, "sweep", lambda: swept.append(1))
    monkeypatch.setattr(tasks, "_sweeps", Pace())
    for _ in range(100):
        tasks.sweep()
    assert swept == [1]


def test_a_job_that_was_just_queued_or_is_running_gets_no_message(kind, notifications):
    make(kind, notified_at=ago(1))
    running(kind, notified_at=ago(100))
    sweeper.notify_queued_jobs(kind)
    assert notifications == []


def test_a_silent_job_is_retried_and_fails_after_its_attempts(kind, settings, no_grace):
    settings.TRAINING_MAX_ATTEMPTS = 2
    job = running(kind)
    fall_silent(job)
    sweeper.give_up_silent_workers(kind)
    assert (now(job).state, now(job).failures) == ("queued", 1)
    running_again(kind, job)
    fall_silent(job)
    sweeper.give_up_silent_workers(kind)
    assert (now(job).state, now(job).failures) == ("failed", 2)
    assert now(job).error.startswith("Gave up after 2 attempts.")


def running_again(kind, job):
    from .conftest import claim

    assert claim(kind, job).attempts == 2


def test_one_job_that_cannot_be_swept_does_not_stop_the_others(
    kind, no_grace, monkeypatch
):
    broken, other = running(kind), running(kind)
    fall_silent(broken)
    fall_silent(other)
    lose = outcomes.lose

    def fail_on_one(job):
        if job == broken:
            raise ValueError("no such attempt")
        lose(job)

    monkeypatch.setattr(outcomes, "lose", fail_on_one)
    sweeper.give_up_silent_workers(kind)
    assert now(other).state == "queued"


@pytest.mark.parametrize("error", [ValueError("?"), OperationalError("deadlock")])
def test_one_kinds_broken_sweep_does_not_stop_the_others(monkeypatch, error):
    def fail():
        raise error

    swept = []
    for kind in all_kinds():
        monkeypatch.setattr(
            kind, "sweep", lambda name=kind.name: swept.append(name), raising=True
        )
    monkeypatch.setattr(kind_named("audit"), "sweep", fail)
    sweeper.sweep()
    assert set(swept) == {"training", "prediction", "evaluation"}


def test_a_database_that_is_down_ends_the_sweep(monkeypatch):
    def fail():
        raise OperationalError("connection refused")

    monkeypatch.setattr(kind_named("audit"), "sweep", fail)
    monkeypatch.setattr(sweeper.connection, "is_usable", lambda: False, raising=False)
    with pytest.raises(OperationalError):
        sweeper.sweep()
