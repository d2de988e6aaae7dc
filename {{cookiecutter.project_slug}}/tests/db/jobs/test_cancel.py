"""People cancel and retry jobs."""

import pytest
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.dataset.models import Task
from lsml.jobs import outcomes
from lsml.jobs.errors import IllegalMove
from lsml.jobs.services import request_cancel, retry
from lsml.jobs.states import State

from .conftest import ORIGIN, claim, fall_silent, make, now, running

pytestmark = pytest.mark.django_db


def cancel(job):
    request_cancel(job, actor="ann", reason="enough", origin=ORIGIN)


def recorded():
    return AuditEntry.objects.filter(verb__contains="cancel").count()


def test_a_queued_job_is_cancelled_at_once(kind):
    job = make(kind)
    cancel(job)
    assert (job.state, job.cancel_requested_by) == ("cancelled", "ann")
    assert claim(kind, job) is None
    assert AuditEntry.objects.get().reason == "enough"


def test_a_running_job_is_marked_and_goes_on(kind):
    job = running(kind)
    cancel(job)
    assert job.state == "running"
    assert job.cancel_requested_at is not None
    assert recorded() == 1


def test_cancelling_twice_is_recorded_once(kind):
    job = running(kind)
    cancel(job)
    first = job.cancel_requested_at
    cancel(job)
    assert (now(job).cancel_requested_at, recorded()) == (first, 1)


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED])
def test_a_job_that_has_ended_is_not_cancelled_and_nothing_is_recorded(kind, state):
    job = make(kind, state=state)
    with pytest.raises(IllegalMove):
        cancel(job)
    assert (now(job).cancel_requested_at, recorded()) == (None, 0)


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
def test_a_job_cancelled_while_it_finishes_ends_as_cancelled(kind, state):
    job = running(kind)
    cancel(now(job))
    with kind.transaction(job):
        assert outcomes.end(job, state, error="late") == State.CANCELLED
    assert (now(job).state, now(job).error) == ("cancelled", "")


def test_a_cancelled_job_is_not_handed_back(kind):
    job = running(kind)
    cancel(now(job))
    with kind.transaction(job):
        outcomes.hand_back(job)
    assert now(job).state == "cancelled"


def test_a_cancelled_job_whose_worker_died_is_not_tried_again(kind):
    job = running(kind)
    found = fall_silent(job)
    cancel(now(job))
    outcomes.lose(found)
    assert now(job).state == "cancelled"


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.SUCCEEDED])
def test_only_a_failed_or_cancelled_job_is_retried(kind, state):
    job = make(kind, state=state)
    with pytest.raises(IllegalMove):
        retry(job, actor="ann", origin=ORIGIN)
    assert kind.model.objects.count() == 1


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_retrying_starts_a_new_job_and_wakes_a_worker(
    kind, state, notifications, django_capture_on_commit_callbacks
):
    job = make(kind, state=state)
    if kind.name == "prediction":
        Task.objects.create(project=job.project, task_id=1, updated_at=timezone.now())
    with django_capture_on_commit_callbacks(execute=True):
        again = retry(job, actor="ann", origin=ORIGIN)
    assert (again.state, now(job).state) == ("queued", state)
    assert (kind.task, again.pk) in notifications
    assert AuditEntry.objects.get().actor == "ann"
