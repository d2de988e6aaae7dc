"""A run can be watched, cancelled and limited, and does not outlive its worker."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from django.db import connection

from lsml.audit.models import AuditEntry
from lsml.jobs import sweeper
from lsml.jobs.errors import IllegalMove, Overtaken
from lsml.jobs.running import stopping
from lsml.jobs.services import request_cancel, retry
from lsml.registry.artifacts import artifact_storage
from lsml.training import outcomes
from lsml.training.errors import NotTrainable
from lsml.training.models import InboxEntry, MetricPoint, TrainingRun
from lsml.training.requests import retire_project
from lsml.training.runs import claim_run, kind, start_run
from lsml.training.worker.training_process import warm_process

from .conftest import ORIGIN


class InBackground:
    """A supervisor in a thread of its own, as in a Celery worker."""

    def __init__(self, supervisor):
        self.run = supervisor.run
        self.thread = threading.Thread(target=self._carry, args=[supervisor])
        self.thread.start()

    def _carry(self, supervisor):
        try:
            supervisor.carry()
        finally:
            connection.close()

    def until(self, condition, *, within_s=8.0):
        """Wait until the reloaded run meets the condition; return the seconds."""
        started = time.monotonic()
        while not condition(self.now()):
            assert time.monotonic() - started < within_s, self.now().__dict__
            time.sleep(0.02)
        return time.monotonic() - started

    def now(self):
        return TrainingRun.objects.get(pk=self.run.pk)

    def end(self):
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.now()


@pytest.fixture
def training(worker, studio):
    """Start training with a model; return the supervised run, now in training code."""
    begun = []

    def begin(model, **environment):
        worker.serve(model, **environment)
        studio.annotate(1)
        worker.process_inbox()
        begun.append(InBackground(worker.begin()))
        begun[-1].until(lambda run: run.message != "starting" or run.state != "running")
        return begun[-1]

    yield begin
    stopping.set()
    for each in begun:
        each.thread.join(20)


def cancel(run, reason="enough"):
    request_cancel(run, actor="ann", reason=reason, origin=ORIGIN)


def kept_files():
    root = Path(artifact_storage().location)
    return [path for path in root.rglob("*") if path.is_file()]


def test_progress_is_visible_within_a_second(training):
    watched = training("Slow")
    watched.until(lambda run: run.message.startswith("step"))
    before = watched.now().progress
    assert watched.until(lambda run: run.progress > before) < 1
    assert watched.now().metrics.keys() == {"loss"}
    assert MetricPoint.objects.filter(run=watched.run).exists()


def test_cancelling_stops_it_at_the_next_progress_call(training):
    watched = training("Slow")
    cancel(watched.run)
    run = watched.end()
    assert (run.state, run.cancel_requested_by) == ("cancelled", "ann")
    assert run.attempt_set.get().outcome == "cancelled"
    assert InboxEntry.objects.get().held
    action = AuditEntry.objects.get(verb="training cancelled")
    assert (action.actor, action.reason) == ("ann", "enough")


def test_a_training_that_ignores_a_cancellation_is_killed(training, settings):
    settings.TRAINING_CANCEL_GRACE_S = 0.5
    watched = training("Stubborn")
    group = watched_group()
    cancel(watched.run)
    run = watched.end()
    assert run.state == "cancelled"
    assert len(group) == 2
    assert not still_running(group)
    assert kept_files() == []


def watched_group():
    """The processes of this test's training: its own, and what it forked."""
    time.sleep(0.5)
    mine = f"LSML_WORKER_PID={os.getpid()}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mine in environment:
            found.append(int(folder.name))
    return found


def still_running(group):
    """The processes that are left a second after all of them were sent SIGKILL."""
    deadline = time.monotonic() + 1
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


def test_a_queued_run_is_cancelled_at_once(worker, studio):
    worker.serve("Slow")
    studio.annotate(1)
    (run,) = worker.process_inbox()
    cancel(run)
    assert run.state == "cancelled"
    assert claim_run(run.pk) is None
    with pytest.raises(IllegalMove):
        cancel(run)


def test_the_time_limit_fails_the_run(training, settings):
    settings.TRAINING_TIME_LIMIT_S = 2
    run = training("Slow").end()
    assert (run.state, run.error) == ("failed", "Took longer than its limit of 2 s.")


def test_the_projects_memory_limit_overrides_the_setting(worker, studio):
    worker.serve("Hungry")
    studio.annotate(1)
    project = studio.project
    project.memory_mb = 700
    project.save()
    run = worker.train()
    assert run.state == "failed"
    assert "limit of 700 MB" in run.error


def test_code_that_holds_the_interpreters_lock_does_not_look_dead(training, settings):
    settings.TRAINING_LEASE_S = 1.5
    watched = training("HoldingTheLock", HOLD_S="3")
    for _ in range(15):
        sweeper.give_up_silent_workers(kind)
        time.sleep(0.2)
    assert watched.end().state == "succeeded"


def test_a_silent_worker_loses_the_run_and_cannot_write_its_result(
    worker, studio, settings
):
    settings.TRAINING_LEASE_S = 0
    worker.serve("Remembering")
    event = studio.annotate(1)
    worker.process_inbox()
    zombie = worker.begin()
    _sweep_as_if_postgres_were_up_for_long()
    run = TrainingRun.objects.get()
    assert (run.state, run.attempt_set.get().outcome) == ("queued", "lost")
    with pytest.raises(Overtaken):
        outcomes.succeed(zombie.run, zombie.attempt, {"version_name": "stolen"})
    settings.TRAINING_LEASE_S = 12
    worker.begin().carry()
    run.refresh_from_db()
    assert (run.state, run.version.version) == ("succeeded", "v1")
    assert [each.event_id for each in run.events.all()] == [event.pk]


def _sweep_as_if_postgres_were_up_for_long():
    # The embedded server may have started this second, and then leases get a grace.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.05)")
    sweeper.give_up_silent_workers(kind)


def test_a_worker_that_stops_hands_the_run_back_at_once(
    training, settings, notifications
):
    settings.TRAINING_STOP_GRACE_S = 0.5
    settings.TRAINING_MAX_ATTEMPTS = 1
    watched = training("Slow")
    notifications.clear()
    stopping.set()
    run = watched.end()
    assert (run.state, run.attempt_set.get().outcome) == ("queued", "handed_back")
    assert ("lsml.training.tasks.train", run.pk) in notifications


def test_a_run_that_ends_within_the_grace_period_succeeds(training, settings):
    settings.TRAINING_STOP_GRACE_S = 10
    watched = training("Brief")
    stopping.set()
    assert watched.end().state == "succeeded"


def test_what_is_printed_can_be_read_while_it_runs_and_is_bounded(worker, studio):
    worker.serve("Chatty")
    studio.annotate(1)
    run = worker.train()
    log = run.log
    assert log.startswith("… ")
    assert "line 19999\nfrom a file descriptor\nand standard error��\n" in log
    assert len(log) < 70_000


def test_a_hundred_thousand_progress_calls_cost_under_two_seconds(worker, studio):
    worker.serve("Eager")
    studio.annotate(1)
    run = worker.train()
    assert run.version.metrics["progress_seconds"] < 2
    assert 500 <= MetricPoint.objects.filter(run=run).count() <= 5000


def test_a_killed_training_process_costs_an_attempt_not_the_worker(training):
    watched = training("Slow")
    for pid in watched_group():
        os.kill(pid, signal.SIGKILL)
    run = watched.end()
    assert run.state == "queued"
    assert "was killed (SIGKILL)" in run.attempt_set.get().error


def test_a_warm_process_is_used_and_sees_code_changed_meanwhile(
    worker, studio, settings
):
    settings.TRAINING_SPARE = True
    worker.serve("Remembering")
    warm_process.prepare()
    process = warm_process._ready
    source = Path("tests/models/learning.py")
    studio.annotate(1)
    deadline = time.monotonic() + 8
    while not any(m["kind"] == "ready" for m in process.listen(0.1)[0]):
        assert time.monotonic() < deadline
    source.touch()
    run = worker.train()
    assert run.state == "succeeded"


def test_retrying_trains_on_what_the_failed_run_gave_back(worker, studio):
    worker.serve("Raising")
    event = studio.annotate(1)
    failed = worker.train()
    assert worker.process_inbox() == []
    worker.serve("Remembering")
    again = retry(failed, actor="ann", origin=ORIGIN)
    worker.begin().carry()
    again.refresh_from_db()
    assert again.state == "succeeded"
    assert [each.event_id for each in again.events.all()] == [event.pk]


def test_a_run_of_a_project_deleted_meanwhile_is_not_retried(worker, studio):
    worker.serve("Raising")
    studio.annotate(1)
    failed = worker.train()
    known_as = failed.project  # read before the deletion, as a page reads it
    retire_project(key=known_as.key, origin=ORIGIN)
    with pytest.raises(NotTrainable, match="is archived"):
        retry(failed, actor="ann", origin=ORIGIN)
    assert not TrainingRun.objects.filter(state="queued").exists()


def test_a_person_may_start_a_run_whatever_the_policy_says(worker, studio):
    worker.serve("Remembering")
    studio.annotate(1)
    project = studio.project
    project.training_paused = True
    project.save()
    assert worker.process_inbox() == []
    run = start_run(project=project, actor="ann", origin=ORIGIN)
    worker.begin().carry()
    run.refresh_from_db()
    assert run.state == "succeeded"


def test_events_that_arrive_during_a_run_go_into_the_next_one(training, worker, studio):
    watched = training("Brief")
    late = studio.annotate(2)
    assert worker.process_inbox() == []
    assert watched.end().events.count() == 1
    (following,) = worker.process_inbox()
    worker.begin().carry()
    assert [each.event_id for each in following.events.all()] == [late.pk]
