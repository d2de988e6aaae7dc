"""Failures of the machine, the database and the broker during a run."""

import os
import subprocess
import time
from functools import partial
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from lsml.jobs import database, lease
from lsml.jobs.services import request_cancel
from lsml.registry.models import ModelVersion
from lsml.training import outcomes
from lsml.training.inbox.process import process_waiting_events
from lsml.training.models import InboxEntry, MetricPoint, TrainingRun
from lsml.training.worker import supervisor

from .conftest import ORIGIN
from .watching import InBackground, kept_files

pytestmark = pytest.mark.usefixtures("forked_trainings")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB, mounted where artifacts go."""
    folder = tmp_path / "kept"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(command, check=False).returncode:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_artifact_disk_fails_the_run_and_leaves_nothing(
    small_disk, worker, studio
):
    worker.serve("Heavy", TRAINING_OUTAGE_S="1")
    studio.annotate(1)
    run = worker.train()
    assert run.state == "failed"
    assert "The artifact was not stored" in run.error
    assert "No space left on device" in run.error
    assert "The model is not the cause: retry the run" in run.error
    assert (run.attempts, run.failures) == (1, 0)
    assert kept_files() == []
    assert InboxEntry.objects.get().held


@pytest.mark.slow
def test_a_training_waits_for_space_for_its_artifact(small_disk, worker, studio):
    worker.serve("Heavy")
    studio.annotate(1)
    worker.process_inbox()
    training = InBackground(worker.begin())
    training.until(lambda run: "No space left on device" in run.log)
    enlarge = ["mount", "-o", "remount,size=30m", str(small_disk)]
    subprocess.run(enlarge, check=True)
    run = training.end()
    assert (run.state, run.attempts, run.failures) == ("succeeded", 1, 0)
    version = ModelVersion.objects.get()
    assert kept_files() == [small_disk / version.artifact_key]
    assert version.load_error == ""


def test_a_lease_does_not_expire_right_after_a_restart_of_postgres(
    worker, studio, settings
):
    settings.TRAINING_LEASE_S = 0
    worker.serve("Remembering")
    studio.annotate(1)
    worker.process_inbox()
    worker.begin()
    time.sleep(0.05)
    assert lease.expired(TrainingRun).exists()
    settings.TRAINING_LEASE_S = 10**8  # PostgreSQL has not been up for that long
    assert not lease.expired(TrainingRun).exists()


def test_a_database_that_is_down_is_waited_for(monkeypatch):
    monkeypatch.setattr(database, "_PAUSE_S", 0.01)
    outside = SimpleNamespace(in_atomic_block=False, close=lambda: None)
    monkeypatch.setattr(database, "connection", outside)
    tries = []

    def work():
        tries.append(1)
        if len(tries) < 4:
            raise OperationalError("the database system is starting up")
        return "done"

    assert database.retry_while_database_is_down(work) == "done"
    assert len(tries) == 4


@pytest.mark.slow
def test_a_training_continues_while_the_database_is_down(worker, studio, monkeypatch):
    worker.serve("Brief")
    studio.annotate(1)
    worker.process_inbox()
    watched = worker.begin()
    away_until = time.monotonic() + 4
    renew = lease.renew

    def unreachable(*args, **changes):
        if time.monotonic() < away_until:
            raise OperationalError("connection refused")
        return renew(*args, **changes)

    monkeypatch.setattr(supervisor.lease, "renew", unreachable)
    watched.carry()
    run = TrainingRun.objects.get()
    assert (run.state, run.attempts) == ("succeeded", 1)


def test_a_database_that_stays_down_ends_the_training(
    worker, studio, monkeypatch, settings
):
    settings.TRAINING_OUTAGE_S = 0.5
    worker.serve("Slow")
    studio.annotate(1)
    worker.process_inbox()
    watched = worker.begin()

    def unreachable(*_, **__):
        raise OperationalError("connection refused")

    monkeypatch.setattr(supervisor.lease, "renew", unreachable)
    watched.carry()
    assert TrainingRun.objects.get().state == "running"  # the sweeper will see
    assert kept_files() == []


def test_what_postgres_cannot_store_is_replaced_in_progress_and_metrics(worker, studio):
    worker.serve("Unstorable")
    studio.annotate(1)
    run = worker.train()
    assert (run.state, run.attempts) == ("succeeded", 1)
    assert "lo\ufffdss" in run.metrics
    assert run.version.metrics.keys() == {"lo\ufffdss", "a\ufffdb"}


def test_a_progress_message_shows_no_secret(worker, studio):
    worker.serve("Raising")
    studio.annotate(1)
    worker.process_inbox()
    progress = worker.begin().progress
    progress.progressed({"fraction": 0, "message": "token=abcdef123456 \0 \ud800"})
    assert progress.columns()["message"] == "token=*** \ufffd ?"


def test_a_shortened_log_contains_no_part_of_a_secret(worker, studio):
    worker.serve("PrintingKeys")
    studio.annotate(1)
    log = worker.train().log
    assert "hunter2" not in log
    assert log.count("password=***") > 1000


def test_a_fault_of_the_supervisor_costs_an_attempt_at_once(
    worker, studio, monkeypatch
):
    worker.serve("Slow")
    studio.annotate(1)
    worker.process_inbox()
    watched = worker.begin()

    def fail(*_):
        raise KeyError("kind")

    monkeypatch.setattr(watched, "_note", fail)
    watched.carry()
    run = TrainingRun.objects.get()
    assert (run.state, run.failures) == ("queued", 1)
    assert "KeyError" in run.attempt_set.get().error


def test_a_result_that_cannot_be_stored_fails_the_run(worker, studio):
    studio.annotate(1)
    worker.serve("Raising")
    worker.process_inbox()
    watched = worker.begin()
    watched._write_end(
        partial(outcomes.succeed, product={"version_name": "v" * 10_000})
    )
    run = TrainingRun.objects.get()
    assert run.state == "failed"
    assert run.error.startswith("The result cannot be stored: DataError")


def test_progress_that_cannot_be_stored_does_not_keep_the_run_active(worker, studio):
    studio.annotate(1)
    worker.serve("Raising")
    worker.process_inbox()
    watched = worker.begin()
    watched.progress._columns = {"message": "x" * 501}
    watched._write_end(partial(outcomes.fail, reason="why"))
    assert TrainingRun.objects.get().state == "failed"


def test_a_cancellation_while_the_result_is_written_prevents_the_version(
    worker, studio
):
    studio.annotate(1)
    worker.serve("Raising")
    worker.process_inbox()
    watched = worker.begin()
    request_cancel(
        TrainingRun.objects.get(), actor="ann", reason="enough", origin=ORIGIN
    )
    watched._write_end(partial(outcomes.succeed, product={"version_name": "late"}))
    run = TrainingRun.objects.get()
    assert (run.state, run.version) == ("cancelled", None)
    assert run.attempt_set.get().outcome == "cancelled"
    assert not ModelVersion.objects.filter(version="late").exists()


def test_a_worker_that_lost_the_run_writes_no_points(worker, studio):
    studio.annotate(1)
    worker.serve("Raising")
    worker.process_inbox()
    watched = worker.begin()
    TrainingRun.objects.update(fence=9)
    point = [[1, 0.0, 0.5, {"loss": 1.0}]]
    watched.progress.progressed({"fraction": 0.5, "message": "", "points": point})
    watched._write_end(partial(outcomes.fail, reason="why"))
    assert not MetricPoint.objects.exists()


def test_a_message_about_a_deleted_project_is_ignored(db):
    assert process_waiting_events(2**40) is None
