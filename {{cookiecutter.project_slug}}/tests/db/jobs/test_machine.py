"""Workers, sweepers and people act on bulk predictions in any order.

The same for training runs, with their events: tests/db/training/test_states.py.
"""

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import sampled_from

from lsml.audit.models import AuditEntry
from lsml.inference.models import PredictionJob
from lsml.jobs import lease, outcomes
from lsml.jobs.errors import IllegalMove, Overtaken
from lsml.jobs.services import request_cancel
from lsml.jobs.states import State
from lsml.registry.models import Project

from .conftest import EXAMPLES, ORIGIN, fall_silent

MAX_ATTEMPTS = 3

ENDS = {
    "succeed": lambda job: outcomes.end(job, State.SUCCEEDED),
    "fail": lambda job: outcomes.end(job, State.FAILED, error="why"),
    "cancel": lambda job: outcomes.end(job, State.CANCELLED),
    "hand_back": outcomes.hand_back,
    "crash": lambda job: outcomes.try_again_or_fail(job, "why"),
}


class Jobs(RuleBasedStateMachine):
    """The jobs of one project. Claims whose lease expired are kept and used again."""

    workers = Bundle("workers")

    def __init__(self):
        super().__init__()
        self.project = Project.objects.create(
            labelstudio_id=Project.objects.count() + 1
        )
        self.ended = {}
        self.fences = {}

    @rule()
    def request(self):
        if not self.active():
            PredictionJob.objects.create(
                project=self.project, requested_by="ann", created_at=timezone.now()
            )

    @rule(target=workers)
    def claim(self):
        queued = self.jobs().filter(state="queued").first()
        return queued and lease.claim(PredictionJob, queued.pk)

    @rule(worker=workers)
    def renew(self, worker):
        if worker is None:
            return
        held = lease.renew(worker)
        job = PredictionJob.objects.get(pk=worker.pk)
        assert (held is not None) == self.holds(worker, job)

    @rule(worker=consumes(workers), how=sampled_from(sorted(ENDS)))
    def end(self, worker, how):
        if worker is None:
            return
        before = PredictionJob.objects.get(pk=worker.pk)
        held = self.holds(worker, before)
        try:
            ENDS[how](worker)
        except (Overtaken, IllegalMove):
            assert not held
            return
        assert held
        after = PredictionJob.objects.get(pk=worker.pk)
        if before.cancel_requested_at:
            assert after.state == "cancelled"

    @rule()
    def sweep(self):
        for job in self.jobs().filter(state="running"):
            outcomes.lose(fall_silent(job))

    @rule()
    def cancel(self):
        for job in self.active():
            request_cancel(job, actor="ann", reason="", origin=ORIGIN)

    @invariant()
    def what_has_ended_stays(self):
        over = self.jobs().exclude(state__in=PredictionJob.ACTIVE)
        now = dict(over.values_list("pk", "state"))
        assert self.ended.items() <= now.items()
        self.ended = now

    @invariant()
    def a_job_that_waits_was_not_cancelled(self):
        waits = self.jobs().filter(state="queued")
        assert not waits.filter(cancel_requested_at__isnull=False).exists()

    @invariant()
    def a_recorded_cancellation_is_never_followed_by_success(self):
        marked = self.jobs().filter(cancel_requested_at__isnull=False)
        assert not marked.filter(state__in=["succeeded", "failed"]).exists()
        entries = AuditEntry.objects.filter(
            verb="bulk prediction cancelled", project_pk=self.project.pk
        )
        assert entries.count() == marked.count()

    @invariant()
    def failures_are_counted_and_bounded(self):
        for job in self.jobs():
            assert job.failures <= min(job.attempts, MAX_ATTEMPTS)
            assert job.fence == job.attempts

    def jobs(self):
        return PredictionJob.objects.filter(project=self.project)

    def active(self):
        return self.jobs().filter(state__in=PredictionJob.ACTIVE)

    @staticmethod
    def holds(worker, job):
        return (job.state, job.fence) == ("running", worker.fence)


@pytest.mark.django_db
@EXAMPLES
def test_in_any_sequence_of_steps_the_promises_hold(settings_of_attempts, examples):
    run_state_machine_as_test(
        Jobs,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def settings_of_attempts(request):
    request.getfixturevalue("settings").TRAINING_MAX_ATTEMPTS = MAX_ATTEMPTS
