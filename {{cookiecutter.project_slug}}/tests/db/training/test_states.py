"""The states of a run, with workers, sweepers and people acting in any order."""

from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from hypothesis.strategies import sampled_from

from lsml.jobs import outcomes as job_outcomes
from lsml.jobs.errors import IllegalMove, Overtaken
from lsml.jobs.services import request_cancel
from lsml.registry.models import Project
from lsml.training import outcomes, runs
from lsml.training.errors import AlreadyTraining
from lsml.training.models import InboxEntry, RunEvent, TrainingAttempt, TrainingRun
from lsml.training.runs import claim_run
from tests.db.jobs.conftest import EXAMPLES

from .conftest import ORIGIN


class Runs(RuleBasedStateMachine):
    """Workers, sweepers and people act on one project at random."""

    workers = Bundle("workers")  # claims, some of them stale: zombies

    def __init__(self):
        super().__init__()
        self.project = Project.objects.create(
            labelstudio_id=Project.objects.count() + 1
        )
        self.events = 0
        self.finished = {}

    @rule()
    def annotate(self):
        self.events += 1
        InboxEntry.objects.create(
            event_id=self.project.pk * 1_000_000 + self.events,
            project=self.project,
            action="ANNOTATION_CREATED",
            received_at=timezone.now(),
            applied_at=timezone.now(),
            annotations=1,
        )

    @rule()
    def open(self):
        try:
            runs.open_run(project=self.project, trigger="person", requested_by="ann")
        except AlreadyTraining:
            assert self._active()

    @rule(target=workers)
    def claim(self):
        queued = TrainingRun.objects.filter(project=self.project, state="queued")
        run = queued.first()
        claimed = claim_run(run.pk) if run else None
        if claimed:
            from lsml.training.inbox.events import take_events

            take_events(claimed[0])
        return claimed

    @rule(
        worker=consumes(workers),
        how=sampled_from(["succeed", "fail", "cancel", "hand_back", "crash"]),
    )
    def end(self, worker, how):
        if worker is None:
            return
        extra = {
            "succeed": {"product": {}},
            "fail": {"reason": "why"},
            "crash": {"reason": "why"},
        }.get(how, {})
        try:
            getattr(outcomes, how)(*worker, **extra)
        except (Overtaken, IllegalMove):
            now = TrainingRun.objects.get(pk=worker[0].pk)
            assert (now.state, now.fence) != ("running", worker[0].fence)

    @rule()
    def fall_silent(self):
        for run in self._active().filter(state="running"):
            job_outcomes.lose(run)

    @rule()
    def cancel(self):
        for run in self._active():
            request_cancel(run, actor="ann", reason="", origin=ORIGIN)

    @invariant()
    def one_run_is_active(self):
        assert self._active().count() <= 1

    @invariant()
    def no_event_is_lost_or_in_two_succeeded_runs(self):
        waits = set(
            InboxEntry.objects.filter(project=self.project).values_list(
                "event_id", flat=True
            )
        )
        taken = RunEvent.objects.filter(run__project=self.project)
        done = list(
            taken.filter(run__state="succeeded").values_list("event_id", flat=True)
        )
        under_way = set(
            taken.filter(run__state__in=TrainingRun.ACTIVE).values_list(
                "event_id", flat=True
            )
        )
        assert len(done) == len(set(done))
        assert not waits & set(done)
        assert len(waits | set(done) | under_way) == self.events

    @invariant()
    def finished_runs_stay_as_they_are(self):
        over = TrainingRun.objects.filter(project=self.project).exclude(
            state__in=TrainingRun.ACTIVE
        )
        now = dict(over.values_list("pk", "state"))
        assert self.finished.items() <= now.items()
        self.finished = now

    @invariant()
    def only_a_running_run_has_a_running_attempt(self):
        attempts = TrainingAttempt.objects.filter(
            run__project=self.project, outcome="running"
        )
        assert all(each.run.state == "running" for each in attempts)

    def _active(self):
        return TrainingRun.objects.filter(
            project=self.project, state__in=TrainingRun.ACTIVE
        )


@EXAMPLES
def test_in_any_sequence_of_steps_nothing_is_lost(db, examples):
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Runs,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
