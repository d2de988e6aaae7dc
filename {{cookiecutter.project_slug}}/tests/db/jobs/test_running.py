"""`run_job`: executes the work, and ends its job."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from django.db import OperationalError, connection, transaction

from lsml.jobs import lease, outcomes
from lsml.jobs.errors import JobFailed, Overtaken
from lsml.jobs.kinds import kind_named
from lsml.jobs.models import LOG_CHARS_MAX
from lsml.jobs.running import JobCancelled, RunningJob, run_job, stopping
from lsml.jobs.services import request_cancel
from tests.db.conftest import database_url

from .conftest import ORIGIN, fall_silent, make, now, running

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("worker_runs"),
]


def do(kind, work, **columns):
    """Run a new job to its end, and return it."""
    job = make(kind, **columns)
    run_job(kind, job.pk, work)
    return now(job)


def raising(error):
    def work(_running):
        raise error

    return work


def cancel(job):
    request_cancel(job, actor="ann", reason="enough", origin=ORIGIN)


def test_the_returned_values_are_written_with_the_success(run_kind):
    job = do(run_kind, lambda _: {"message": "all of it"})
    assert (job.state, job.progress, job.message) == ("succeeded", 1, "all of it")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (JobFailed("No key: set one.\0\ud800"), "No key: set one.\ufffd?"),
        (ValueError("a\0b \udc80 token=abcdef123456"), "ValueError: a\ufffdb ? token="),
        (SystemExit(3), "SystemExit: 3"),
        (ValueError("x" * 10_000), "ValueError: xxx"),
    ],
)
def test_any_exception_fails_the_job_with_a_storable_reason(run_kind, error, words):
    job = do(run_kind, raising(error))
    assert (job.state, job.failures) == ("failed", 0)
    assert job.error.startswith(words)
    assert len(job.error) < 2100
    assert "abcdef" not in job.error


def test_a_result_that_cannot_be_stored_fails_the_job(run_kind):
    job = do(run_kind, lambda _: {"message": "x" * 501})
    assert job.state == "failed"
    assert job.error.startswith("The result cannot be stored: DataError")


def test_a_database_error_costs_an_attempt_and_its_reason_is_kept(run_kind, settings):
    settings.TRAINING_MAX_ATTEMPTS = 2
    fails = raising(OperationalError("could not extend file: No space left on device"))
    job = do(run_kind, fails)
    assert (job.state, job.failures) == ("queued", 1)
    run_job(run_kind, job.pk, fails)
    job = now(job)
    assert job.state == "failed"
    assert "No space left on device" in job.error


def test_a_worker_that_stops_hands_the_job_back(run_kind, notifications):
    def work(running):
        stopping.set()
        running.save()

    job = do(run_kind, work)
    assert (job.state, job.failures) == ("queued", 0)
    assert (run_kind.task, job.pk) in notifications


def test_a_cancellation_during_the_last_step_counts(run_kind):
    def work(running):
        cancel(now(running.job))
        return {"message": "done"}

    assert do(run_kind, work).state == "cancelled"


def test_work_that_notices_the_cancellation_late_ends_as_cancelled(run_kind):
    def work(running):
        cancel(now(running.job))
        try:
            running.save()
        finally:
            running.log("cleaned up")

    assert do(run_kind, work).state == "cancelled"


def test_work_that_reports_cancelled_after_it_lost_the_job_writes_nothing(run_kind):
    def work(running):
        outcomes.lose(fall_silent(running.job))
        raise JobCancelled

    assert do(run_kind, work).state == "queued"


def test_a_job_lost_meanwhile_is_not_written(run_kind):
    def work(running):
        outcomes.lose(fall_silent(running.job))
        running.job.message = "stolen"
        running.save()

    job = do(run_kind, work)
    assert job.state == "queued"
    assert job.message != "stolen"


def test_progress_stays_below_one_when_there_is_more_than_was_counted(run_kind):
    seen = []

    def work(running):
        running.job.done, running.job.total = 12, 10
        running.save()
        seen.append(now(running.job))
        return {}

    do(run_kind, work)
    assert (seen[0].done, seen[0].total, seen[0].progress) == (12, 12, 1)


def test_the_log_is_bounded_masked_and_storable(run_kind):
    def work(running):
        for _ in range(20):
            running.log("x" * 10_000)
        running.log("token=abcdef123456 \0 \ud800")
        return {}

    log = do(run_kind, work).log
    assert len(log) == LOG_CHARS_MAX
    assert log.endswith("token=*** \ufffd ?\n")


@pytest.mark.parametrize(("name", "before"), [("prediction", 4), ("audit", 0)])
def test_a_second_attempt_resumes_or_counts_from_zero(name, before):
    seen = []

    def work(running):
        seen.append((running.job.done, now(running.job).done_before))
        return {}

    do(kind_named(name), work, done=4, total=10)
    assert seen == [(before, before)]


@pytest.mark.slow
def test_progress_within_a_transaction_is_seen_and_cancelling_does_not_wait(run_kind):
    """An export reads in one transaction, which may last for minutes."""
    job = make(run_kind, total=1000)
    job_seen, finished = threading.Event(), threading.Event()

    def work(running):
        with transaction.atomic():
            for _ in range(200):
                running.advance(1)
                job_seen.wait(0.05)
        return {}

    def worker():
        run_job(run_kind, job.pk, work)
        connection.close()
        finished.set()

    threading.Thread(target=worker).start()
    deadline = time.monotonic() + 8
    while not now(job).done and time.monotonic() < deadline:
        time.sleep(0.05)
    seen = now(job).done
    started = time.monotonic()
    cancel(job)
    took_s = time.monotonic() - started
    assert finished.wait(15)
    assert seen > 0
    assert took_s < 5  # the transaction lasts for ten
    assert now(job).state == "cancelled"


@pytest.mark.slow
def test_a_long_transaction_does_not_cost_the_lease(run_kind):
    renewed = []

    def work(running):
        with transaction.atomic():
            before = now(running.job).lease_expires_at
            for _ in range(30):
                running.advance(1)
                time.sleep(0.05)
            renewed.append(now(running.job).lease_expires_at > before)
        return {}

    assert do(run_kind, work).state == "succeeded"
    assert renewed == [True]


class Worker:
    """A process that runs a job, to be killed or suspended."""

    def __init__(self, kind, job):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.db.jobs.work", kind.name, str(job.pk)],
            stdout=subprocess.PIPE,
            env=os.environ
            | {
                "DATABASE_URL": database_url(),
                "DJANGO_SETTINGS_MODULE": "config.settings",
            },
        )
        assert self.process.stdout.readline() == b"begun\n"

    def end(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.mark.slow
def test_a_killed_worker_costs_an_attempt_and_another_one_finishes(run_kind):
    job = make(run_kind)
    Worker(run_kind, job).end()
    assert (now(job).state, now(job).attempts) == ("running", 1)
    outcomes.lose(fall_silent(job))
    run_job(run_kind, job.pk, lambda _: {})
    job = now(job)
    assert (job.state, job.attempts, job.failures) == ("succeeded", 2, 1)


@pytest.mark.slow
def test_a_worker_that_was_cut_off_changes_nothing_when_it_comes_back(run_kind):
    job = make(run_kind)
    zombie = Worker(run_kind, job)
    try:
        os.kill(zombie.process.pid, signal.SIGSTOP)
        outcomes.lose(fall_silent(job))
        second = lease.claim(run_kind.model, job.pk)
        os.kill(zombie.process.pid, signal.SIGCONT)
        assert zombie.process.wait(10) == 0  # it noticed
        fresh = now(job)
        assert (fresh.state, fresh.fence, fresh.done) == ("running", 2, second.done)
        assert fresh.lease_owner == second.lease_owner
    finally:
        zombie.end()


def test_the_old_attempt_cannot_save(run_kind):
    job = running(run_kind)
    outcomes.lose(fall_silent(job))
    with pytest.raises(Overtaken):
        RunningJob(job).save()
