"""The process of a training: how it ends, how it is ended, and what it may use.

Each test starts a real one. Elsewhere they are forked, for speed.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lsml.dataset.models import Snapshot
from lsml.registry.artifacts import Artifact, fetch_artifact
from lsml.training.models import InboxEntry, RunEvent
from lsml.training.worker.training_process import TrainingProcess, warm_process

from .watching import cancel, kept_files


def test_an_annotation_becomes_a_promoted_version(worker, studio):
    worker.serve("Remembering")
    first, second = studio.annotate(1), studio.annotate(2)
    run = worker.train()
    assert (run.state, run.progress, run.error) == ("succeeded", 1, "")
    version = studio.project.active_version
    assert version == run.version
    assert (version.version, version.annotation_count) == ("v1", 2)
    assert version.metrics == {"tasks": 2, "loss": 0.5}
    artifact = Artifact(
        version.artifact_key, version.artifact_sha256, version.artifact_bytes
    )
    seen = json.loads((fetch_artifact(artifact).folder / "seen.json").read_text())
    assert seen == {"1001": [1], "1002": [2]}
    assert not InboxEntry.objects.exists()
    assert set(RunEvent.objects.values_list("event_id", flat=True)) == {
        first.pk,
        second.pk,
    }
    assert "remembered 2" in run.log
    assert Snapshot.objects.get().label_counts == {"Positive": 2}


@pytest.mark.slow
def test_a_training_that_ignores_a_cancellation_is_killed(training, settings):
    settings.TRAINING_CANCEL_GRACE_S = 0.5
    watched = training("Stubborn")
    group = watched_group(size=2)  # its own, and the one that it forked
    cancel(watched.run)
    run = watched.end()
    assert run.state == "cancelled"
    assert len(group) == 2
    assert not still_running(group)
    assert kept_files() == []


def watched_group(size=1):
    """The processes of this test's training, once there are that many."""
    mine = f"LSML_WORKER_PID={os.getpid()}".encode()
    deadline = time.monotonic() + 20
    while len(found := [pid for pid in processes() if mine in environment(pid)]) < size:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def processes():
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def environment(pid):
    """Return the variables of a process; none if it ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def still_running(group):
    """The processes that are left although all of them were sent SIGKILL."""
    deadline = time.monotonic() + 20
    while (left := [pid for pid in group if runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def runs(pid):
    """Return whether the process runs; a zombie does not."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


@pytest.mark.slow
def test_the_projects_memory_limit_overrides_the_setting(worker, studio):
    worker.serve("Hungry")
    studio.annotate(1)
    project = studio.project
    project.memory_mb = 700
    project.save()
    run = worker.train()
    assert run.state == "failed"
    assert "limit of 700 MB" in run.error


@pytest.mark.slow
def test_a_killed_training_process_costs_an_attempt_not_the_worker(training):
    watched = training("Slow")
    for pid in watched_group():
        os.kill(pid, signal.SIGKILL)
    run = watched.end()
    assert run.state == "queued"
    assert "was killed (SIGKILL)" in run.attempt_set.get().error


@pytest.mark.slow
def test_a_warm_process_is_used_and_sees_code_changed_meanwhile(
    worker, studio, settings
):
    settings.TRAINING_SPARE = True
    worker.serve("Remembering")
    warm_process.prepare()
    process = warm_process._ready
    source = Path("tests/models/learning.py")
    studio.annotate(1)
    deadline = time.monotonic() + 30
    while not any(m["kind"] == "ready" for m in process.listen(0.1)[0]):
        assert time.monotonic() < deadline
    source.touch()
    run = worker.train()
    assert run.state == "succeeded"


def test_a_process_that_prints_forever_does_not_block_the_worker(
    worker, studio, settings
):
    settings.TRAINING_MAX_ATTEMPTS = 1
    worker.serve("LeavingNoise")
    studio.annotate(1)
    run = worker.train()  # it returns
    assert "ended itself with status 3" in run.error


def test_processes_that_cannot_be_started_leave_no_descriptors_open(monkeypatch):
    def refuse(*_, **__):
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(BlockingIOError):
            TrainingProcess()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
