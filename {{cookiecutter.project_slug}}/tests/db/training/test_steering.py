"""A run can be watched, cancelled and limited, and does not outlive its worker."""

import time

import pytest
from django.db import connection

from lsml.audit.models import AuditEntry
from lsml.jobs import sweeper
from lsml.jobs.errors import IllegalMove, Overtaken
from lsml.jobs.running import stopping
from lsml.jobs.services import retry
from lsml.training import outcomes
from lsml.training.errors import NotTrainable
from lsml.training.models import InboxEntry, MetricPoint, TrainingRun
from lsml.training.requests import retire_project
from lsml.training.runs import claim_run, kind, start_run

from .conftest import ORIGIN
from .watching import cancel

pytestmark = pytest.mark.usefixtures("forked_trainings")


@pytest.mark.slow
def test_progress_is_visible_within_a_second(training):
    watched = training("Slow")
    watched.until(lambda run: run.message.startswith("step"))
    before = watched.now().progress
    # It takes a second; on a busy machine, a few.
    assert watched.until(lambda run: run.progress > before) < 10
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


def test_a_queued_run_is_cancelled_at_once(worker, studio):
    worker.serve("Slow")
    studio.annotate(1)
    (run,) = worker.process_inbox()
    cancel(run)
    assert run.state == "cancelled"
    assert claim_run(run.pk) is None
    with pytest.raises(IllegalMove):
        cancel(run)


@pytest.mark.slow
def test_the_time_limit_fails_the_run(training, settings):
    settings.TRAINING_TIME_LIMIT_S = 2
    run = training("Slow").end()
    assert (run.state, run.error) == ("failed", "Took longer than its limit of 2 s.")


@pytest.mark.slow
def test_code_that_holds_the_interpreters_lock_does_not_look_dead(training, settings):
    settings.TRAINING_LEASE_S = 4  # it is renewed each second, on a busy machine later
    watched = training("HoldingTheLock", HOLD_S="5")
    for _ in range(25):
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_hundred_thousand_progress_calls_cost_under_two_seconds(worker, studio):
    worker.serve("Eager")
    studio.annotate(1)
    run = worker.train()
    assert run.version.metrics["progress_seconds"] < 2
    assert 500 <= MetricPoint.objects.filter(run=run).count() <= 5000


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


@pytest.mark.slow
def test_events_that_arrive_during_a_run_go_into_the_next_one(training, worker, studio):
    watched = training("Brief")
    late = studio.annotate(2)
    assert worker.process_inbox() == []
    assert watched.end().events.count() == 1
    (following,) = worker.process_inbox()
    worker.begin().carry()
    assert [each.event_id for each in following.events.all()] == [late.pk]
