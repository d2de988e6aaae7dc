"""What the machine, the database or the broker does to a run."""

import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from lsml.jobs import database, lease
from lsml.training.models import InboxEntry, TrainingRun
from lsml.training.worker import supervisor

from .test_steering import kept_files


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


def test_a_full_artifact_disk_fails_the_run_and_leaves_nothing(
    small_disk, worker, studio
):
    worker.serve("Heavy")
    studio.annotate(1)
    run = worker.train()
    assert run.state == "failed"
    assert "No space left on device" in run.error
    assert kept_files() == []
    assert InboxEntry.objects.get().held


def test_a_lease_is_given_time_after_a_restart_of_postgres(worker, studio, settings):
    settings.TRAINING_LEASE_S = 0
    worker.serve("Remembering")
    studio.annotate(1)
    worker.process_inbox()
    worker.begin()
    time.sleep(0.05)
    assert lease.expired(TrainingRun).exists()
    settings.TRAINING_LEASE_S = 10**8  # PostgreSQL has not been up for that long
    assert not lease.expired(TrainingRun).exists()


def test_a_database_that_is_away_is_waited_for(monkeypatch):
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


def test_a_training_goes_on_while_the_database_is_away(worker, studio, monkeypatch):
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


def test_a_database_that_stays_away_ends_the_training(
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


def test_what_a_killed_worker_left_on_this_host_is_removed(worker, tmp_path):
    from lsml.training.worker import folders

    mine, dead = os.getpid(), 4_194_304  # above the largest process number
    names = [f"{folders._owner_prefix()}{pid}-run-1-1" for pid in (mine, dead)] + [
        f"other-host-{dead}-run-1-1"
    ]
    for name in names:
        (tmp_path / "runs" / name).mkdir(parents=True)
    folders.remove_orphans()
    left = sorted(path.name for path in Path(tmp_path / "runs").iterdir())
    assert left == sorted([names[0], names[2]])
    for name in left:
        (tmp_path / "runs" / name).rmdir()
