"""A job keeps several calls of a slow model under way; what it sends stays the same."""

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lsml.audit.models import Prediction
from lsml.inference.bulk import work
from lsml.inference.errors import ModelCrashed, ModelTimedOut
from lsml.inference.models import PredictionJob
from lsml.jobs.services import request_cancel
from tests.db.bulk.conftest import IDS, VERSION, counts, lose_worker
from tests.db.conftest import database_url
from tests.models.slow_calls import SlowCalls

pytestmark = pytest.mark.django_db(transaction=True)
PROJECT = Path(__file__).parents[3]
MODEL = "tests.models.slow_calls.SlowCalls"


@pytest.fixture(autouse=True)
def slow(serve, monkeypatch, small_and_quick):
    monkeypatch.setattr(work, "STEP", 1)
    monkeypatch.setattr(SlowCalls, "seconds", 0.05)
    serve(MODEL)
    SlowCalls.most = 0
    return SlowCalls


def test_one_place_stays_free_and_each_task_is_predicted_and_sent_once(
    start, studio, slow, monkeypatch
):
    slow.seconds = 0.3
    predict, together = slow.predict, threading.Barrier(3, timeout=20)

    def three_together(self, tasks, context=None, **kwargs):
        if tasks[0]["id"] in IDS[1:4]:  # the first call is made alone
            together.wait()
        return predict(self, tasks, context, **kwargs)

    monkeypatch.setattr(slow, "predict", three_together)
    job = start()
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, counts(job)) == (
        "succeeded", 10, {"predicted": 10, "sent": 10},
    )  # fmt: skip
    assert slow.most == 3
    assert studio.each_once(VERSION)
    recorded = Prediction.objects.values_list("task_id", flat=True)
    assert sorted(recorded) == [*IDS]


def test_a_model_with_one_place_gets_one_call_at_a_time(start, studio, slow, serve):
    slow.concurrency = 1
    try:
        work.predict_all(start().pk)
    finally:
        slow.concurrency = 4
    assert slow.most == 1
    assert studio.each_once(VERSION)


def test_answers_are_taken_in_the_order_of_the_tasks(start, studio, slow, monkeypatch):
    predict, upto = slow.predict, []

    def first_takes_longest(self, tasks, context=None, **kwargs):
        time.sleep(0.05 * (tasks[0]["id"] % 3))
        return predict(self, tasks, context, **kwargs)

    monkeypatch.setattr(slow, "predict", first_takes_longest)
    work.predict_all(start().pk, on_step=lambda job: upto.append(job.done))
    assert upto == [*range(1, 11)]
    assert [task for task, _ in studio.predictions] == [*IDS]


def test_a_failed_call_is_counted_for_its_own_tasks(start, studio, slow, monkeypatch):
    predict = slow.predict

    def fails(self, tasks, context=None, **kwargs):
        if tasks[0]["id"] == 105:
            raise ValueError("cannot read it")
        return predict(self, tasks, context, **kwargs)

    monkeypatch.setattr(slow, "predict", fails)
    job = start()
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert counts(job) == {"predicted": 9, "sent": 9, "failed": 1}
    assert [each.task_id for each in job.problems.all()] == [105]


@pytest.mark.slow
def test_tasks_are_tried_alone_once_no_other_call_can_crash_the_process(
    start, studio, slow, monkeypatch
):
    monkeypatch.setattr(work, "STEP", 2)
    predict, under_way = work.predict, set()

    def crashing(order, **options):
        ids = {each["id"] for each in order.tasks}
        if ids == {103, 104}:
            raise ModelTimedOut(1)
        under_way.update(ids)
        time.sleep(0.5 if 106 in ids else 0.05)
        crashed = 106 in under_way  # with all calls that are under way
        under_way.difference_update(ids)
        if crashed:
            raise ModelCrashed
        return predict(order, **options)

    monkeypatch.setattr(work, "predict", crashing)
    job = start()
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert counts(job) == {"predicted": 9, "sent": 9, "failed": 1}
    assert [each.task_id for each in job.problems.all()] == [106]


def test_a_cancelled_job_stops_and_waits_for_its_calls(start, studio, slow, origin):
    job = start()

    def stop(job):
        if job.done == 3:
            request_cancel(job, actor="olga", reason="enough", origin=origin)

    work.predict_all(job.pk, on_step=stop)
    job.refresh_from_db()
    assert (job.state, job.done) == ("cancelled", 4)
    assert slow.running == 0
    assert 4 <= Prediction.objects.count() <= 7  # those under way are recorded


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_again_and_again_each_task_is_there_once(start, studio, settings):
    """SIGKILL at random moments, with calls and a POST under way."""
    settings.TRAINING_MAX_ATTEMPTS = 100
    job = start()
    code = (
        "import sys, django; django.setup();"
        "from lsml.inference.bulk import batch, delivery, work;"
        "work.STEP = 1; batch.TASKS_MAX = 3; delivery._POLL_S = 0.05;"
        "delivery.LONGEST_POST_S = 2; work.predict_all(int(sys.argv[1]))"
    )
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database_url(),
        "MODEL_CLASS": MODEL,
        "LABEL_STUDIO_URL": studio.url,
        "LABEL_STUDIO_API_KEY": "key",
        "PYTHONPATH": str(PROJECT),
    }
    kills = 0
    for _ in range(4):
        worker = subprocess.Popen(
            [sys.executable, "-c", code, str(job.pk)], cwd=PROJECT, env=environment
        )
        try:
            while worker.poll() is None and not is_claimed(job):
                time.sleep(0.02)
            time.sleep(random.uniform(0.1, 2))
            kills += worker.poll() is None
        finally:
            worker.kill()
            worker.wait()
        if PredictionJob.objects.get().state == "running":
            lose_worker()
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert job.state == "succeeded"
    assert kills >= 1
    assert studio.each_once(VERSION)


def is_claimed(job):
    return PredictionJob.objects.get(pk=job.pk).state != "queued"
