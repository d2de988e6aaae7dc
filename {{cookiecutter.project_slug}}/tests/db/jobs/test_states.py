"""The states of a job, its lease, and its outcomes."""

from itertools import product

import pytest
from django.db import transaction
from django.db.models.functions import Now

from lsml.jobs import lease, outcomes
from lsml.jobs.errors import IllegalMove, Overtaken
from lsml.jobs.kinds import kind_of
from lsml.jobs.states import MOVES, State, move
from lsml.registry.models import Project

from .conftest import claim, fall_silent, make, now, running

pytestmark = pytest.mark.django_db


def test_only_the_moves_in_the_table_are_made(kind):
    for state, target in product(State, State):
        with transaction.atomic():
            job = make(kind, state=state)
            if target in MOVES[state]:
                move(job, target)
                assert now(job).state == target, (state, target)
            else:
                with pytest.raises(IllegalMove):
                    move(job, target)
                assert now(job).state == state, (state, target)
            transaction.set_rollback(True)  # one active job each


def test_of_two_processes_that_move_the_same_job_one_is_refused(kind):
    first = make(kind)
    second = now(first)
    move(first, State.CANCELLED)
    with pytest.raises(Overtaken):
        move(second, State.RUNNING)
    assert now(first).state == "cancelled"


def test_a_queued_job_is_claimed_once(kind):
    job = make(kind)
    claimed = claim(kind, job)
    assert claim(kind, job) is None
    assert (claimed.attempts, claimed.fence, claimed.failures) == (1, 1, 0)
    assert now(job).lease_expires_at > now(job).started_at


def test_a_missing_job_is_not_claimed(kind):
    assert lease.claim(kind.model, 0) is None


def test_renewing_extends_the_lease_and_writes(kind):
    job = running(kind)
    fall_silent(job)
    assert lease.renew(job, message="half way") == job
    held = kind.model.objects.filter(lease_expires_at__gt=Now())
    assert held.get().message == "half way"


def test_a_worker_with_an_old_fence_renews_nothing(kind):
    job = running(kind)
    kind.model.objects.update(fence=job.fence + 1)
    assert lease.renew(job, message="stolen") is None
    assert now(job).message == "starting"


def test_only_a_running_job_whose_lease_ran_out_is_expired(kind, settings):
    settings.TRAINING_LEASE_S = 0  # no grace after the start of PostgreSQL
    silent, queued = running(kind), make(kind)
    fall_silent(silent)
    fall_silent(queued)
    settings.TRAINING_LEASE_S = 60
    running(kind)
    settings.TRAINING_LEASE_S = 0
    assert list(lease.expired(kind.model)) == [silent]


def test_a_worker_that_renewed_since_it_was_found_keeps_the_job(kind):
    job = running(kind)
    found = fall_silent(job)
    lease.renew(job)
    with pytest.raises(Overtaken):
        outcomes.lose(found)
    assert (now(job).state, now(job).failures) == ("running", 0)


def test_of_two_sweepers_one_takes_the_job_back(kind):
    job = running(kind)
    first, second = fall_silent(job), now(job)
    outcomes.lose(first)
    with pytest.raises(Overtaken):
        outcomes.lose(second)
    assert (now(job).state, now(job).failures) == ("queued", 1)


def test_handing_back_costs_no_attempt(kind, settings):
    settings.TRAINING_MAX_ATTEMPTS = 1
    job = running(kind)
    with kind.transaction(job):
        outcomes.hand_back(now(job))
    assert (now(job).state, now(job).failures) == ("queued", 0)
    assert claim_again(kind, job).attempts == 2


def claim_again(kind, job):
    return lease.claim(kind.model, job.pk)


def test_a_worker_that_lost_the_job_cannot_end_it(kind):
    job = running(kind)
    outcomes.lose(fall_silent(job))
    for state in (State.SUCCEEDED, State.FAILED, State.CANCELLED):
        with pytest.raises(Overtaken), kind.transaction(job):
            outcomes.end(job, state)
    with pytest.raises(Overtaken), kind.transaction(job):
        outcomes.hand_back(job)
    assert now(job).state == "queued"


def test_a_model_without_a_job_kind_is_named():
    with pytest.raises(LookupError, match="registered for Project"):
        kind_of(Project())
