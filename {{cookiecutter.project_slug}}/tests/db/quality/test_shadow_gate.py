"""A version that passed on held-out tasks must also pass in shadow, if that is set."""

from datetime import timedelta

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.inference.errors import ModelNotLoadable
from lsml.inference.models import Shadow
from lsml.jobs.lease import claim
from lsml.jobs.outcomes import lose
from lsml.jobs.services import request_cancel, retry
from lsml.quality.evaluation import jobs
from lsml.quality.evaluation.attention import failed_last, held_back_last
from lsml.quality.evaluation.jobs import request_evaluation
from lsml.quality.evaluation.models import Evaluation
from lsml.quality.evaluation.watching import watch_candidates
from lsml.quality.evaluation.work import evaluate
from lsml.quality.tasks import watch_agreement
from lsml.registry.models import Project, Promotion
from lsml.registry.policy import change_policy
from lsml.registry.projects import archive_project
from lsml.registry.promotion_policy import why_promoted_at_once
from lsml.registry.shadow import end_shadow, start_shadow
from tests.db.conftest import database_url
from tests.db.quality.history import History
from tests.db.quality.test_evaluation import (
    LABELS,
    evaluated,
    messages,
    policy,
    serve_version,
    wrong,
)

__all__ = ["messages", "wrong"]  # pytest finds fixtures by name
pytestmark = pytest.mark.django_db

HELD_OUT = range(1, 9)
LIVE = range(101, 109)  # as many as are needed
PASSED = "100 % → 100 % on 8 held-out tasks"


@pytest.fixture
def history(wrong):
    """v1 is served and v2 is new; it must pass on eight tasks in shadow."""
    history = History()
    history.annotate_all({task: LABELS[task % 2] for task in HELD_OUT})
    for _ in range(2):
        history.train(held_out=[100 * task for task in HELD_OUT])
    policy(
        history,
        "not-worse",
        gate_min_tasks=len(HELD_OUT),
        gate_shadow_tasks=len(LIVE),
        shadow_percent=60,
    )
    return history


@pytest.fixture
def candidate(history, origin):
    """v2, which is in shadow since it passed on held-out tasks."""
    serve_version(history, "v1", origin)
    return evaluated(history)


def version(history, name="v2"):
    return history.project.versions.get(version=name)


def live(history, tasks=LIVE, wrong=(), served="v1", name="v2"):
    """Both versions predict tasks, which are annotated then; one is wrong on some."""
    shadow, _ = Shadow.objects.get_or_create(
        version=version(history, name), defaults={"seal_number": 0}
    )
    now = timezone.now()
    for task in tasks:
        history.predict(task, LABELS[task % 2], version=served, created_at=now)
        label = LABELS[(task + (task in wrong)) % 2]
        history.predict(task, label, version=name, kind="shadow")
        shadow.tasks.create(task_id=task, state="predicted")
        history.annotate(task, LABELS[task % 2], created_at=now + timedelta(seconds=1))


def watch(history):
    """Look at the candidates, and run the evaluations that were started."""
    watch_candidates()
    for queued in Evaluation.objects.filter(state="queued").order_by("pk"):
        evaluate(queued.pk)
    history.project.refresh_from_db()
    return Evaluation.objects.latest("pk")


def in_shadow(history):
    history.project.refresh_from_db()
    found = history.project.shadow_version
    return found and found.version


def is_candidate(name="v2"):
    return Evaluation.objects.filter(
        in_shadow_until__isnull=False, version__version=name
    ).exists()


# --- Into shadow ---


def test_a_version_that_passes_goes_into_shadow_instead_of_being_promoted(
    history, candidate
):
    assert (candidate.verdict, candidate.promoted) == ("passed", False)
    assert candidate.outcome == "in shadow"
    assert candidate.reason.startswith(PASSED)
    assert candidate.reason.endswith("; must now pass on 8 annotated tasks in shadow")
    assert history.project.served_version == "v1"
    assert in_shadow(history) == "v2"
    assert history.project.shadow_percent == 60
    entry = AuditEntry.objects.get(verb="shadow started")
    assert (entry.actor, entry.target) == ("policy", "version v2")
    assert entry.reason.startswith(PASSED)


def test_a_version_that_fails_on_held_out_tasks_does_not(history, wrong, origin):
    serve_version(history, "v1", origin)
    wrong["v2"] = HELD_OUT
    assert evaluated(history).verdict == "held back"
    assert in_shadow(history) is None


def test_one_that_does_not_load_is_held_back_and_the_older_candidate_stays(
    history, candidate, origin, monkeypatch
):
    history.train(held_out=[100 * task for task in HELD_OUT])
    history.project.versions.filter(version="v3").update(load_error="no weights")
    found = evaluated(history, "v3")
    assert found.verdict == "held back"
    assert "v3 does not load: no weights" in found.reason
    assert (in_shadow(history), is_candidate("v2")) == ("v2", True)


def test_too_few_held_out_tasks_do_not_spare_a_version_the_shadow(history, origin):
    serve_version(history, "v1", origin)
    policy(history, "not-worse", gate_min_tasks=9)
    assert why_promoted_at_once(history.project, version(history)) is None
    found = evaluated(history)
    assert (found.verdict, found.promoted) == ("too few tasks", False)
    assert (in_shadow(history), is_candidate()) == ("v2", True)


def test_a_newer_candidate_takes_the_place_of_an_older_one(history, candidate):
    history.train(held_out=[100 * task for task in HELD_OUT])
    evaluated(history, "v3")
    assert in_shadow(history) == "v3"
    assert (is_candidate("v2"), is_candidate("v3")) == (False, True)
    entry = AuditEntry.objects.get(verb="shadow stopped")
    assert (entry.actor, entry.target) == ("policy", "version v2")
    assert entry.reason == "v3, newer, passed and takes its place"
    live(history)
    watch(history)
    assert history.project.served_version == "v1"


def test_a_candidate_that_ends_a_shadow_of_a_person_says_so(history, origin):
    serve_version(history, "v1", origin)
    history.train()
    start_shadow(version=version(history, "v3"), actor="ada", reason="", origin=origin)
    found = evaluated(history)
    assert found.reason.endswith(
        "; takes the place of v3 in shadow; must now pass on 8 annotated tasks in"
        " shadow"
    )
    ended = AuditEntry.objects.get(verb="shadow stopped")
    assert (ended.actor, ended.target) == ("policy", "version v3")
    assert ended.reason == "v2 takes its place"


def test_an_older_version_that_passes_does_not_take_the_place_of_a_newer_one(
    history, candidate, origin
):
    history.train(held_out=[100 * task for task in HELD_OUT])
    evaluated(history, "v3")
    again = request_evaluation(version(history), actor="ada", origin=origin)
    evaluate(again.pk)
    again.refresh_from_db()
    assert (again.verdict, again.promoted) == ("passed", False)
    assert again.reason.endswith("; v3, newer, is in shadow")
    assert (in_shadow(history), is_candidate("v3")) == ("v3", True)


@pytest.mark.parametrize(("wrong_on", "stays"), [((), True), (HELD_OUT, False)])
def test_a_candidate_that_is_evaluated_again_stays_only_if_it_passes_again(
    history, candidate, wrong, origin, wrong_on, stays
):
    wrong["v2"] = wrong_on
    again = request_evaluation(candidate.version, actor="ada", origin=origin)
    evaluate(again.pk)
    assert is_candidate() is stays
    assert in_shadow(history) == ("v2" if stays else None)
    assert AuditEntry.objects.filter(verb="shadow started").count() == 1


# --- The verdict in shadow ---


def test_it_is_promoted_when_enough_annotated_tasks_say_that_it_is_not_worse(
    history, candidate
):
    live(history)
    found = watch(history)
    assert (found.compared_on, found.verdict) == ("shadow", "passed")
    assert (found.promoted, found.requested_by) == (True, "policy")
    assert found.reason.startswith("in shadow: 100 % → 100 % on 8 annotated tasks")
    assert (found.task_count, found.compared_with) == (8, version(history, "v1"))
    assert found.report["versions"][0]["score"][0] == 1.0
    assert history.project.served_version == "v2"
    last = Promotion.objects.latest("pk")
    assert (last.actor, last.reason, last.overrides) == ("policy", found.reason, "")
    assert (in_shadow(history), is_candidate()) == (None, False)


def test_it_is_held_back_with_the_numbers_if_it_is_worse(history, candidate):
    live(history, wrong=range(101, 105))
    found = watch(history)
    assert (found.verdict, found.promoted) == ("held back", False)
    assert found.reason.startswith("in shadow: 100 % → 50 % on 8 annotated tasks")
    assert version(history).held_back == found.reason
    assert history.project.served_version == "v1"
    assert (in_shadow(history), is_candidate()) == (None, False)
    assert held_back_last() == [found]
    entry = AuditEntry.objects.filter(verb="version evaluated").latest("pk")
    assert entry.detail["compared_on"] == "shadow"
    assert (entry.detail["verdict"], entry.detail["tasks"]) == ("held back", 8)
    watch(history)
    assert Evaluation.objects.latest("pk") == found  # decided once


def test_with_fewer_annotated_tasks_nothing_is_decided(history, candidate):
    live(history, LIVE[:-1])
    assert watch(history) == candidate
    assert (in_shadow(history), is_candidate()) == ("v2", True)
    live(history, LIVE[-1:])
    assert watch(history).promoted


def test_while_too_few_tasks_are_annotated_the_audit_log_is_not_read(
    history, candidate, django_assert_max_num_queries
):
    live(history, LIVE[:-1])
    with django_assert_max_num_queries(8) as queries:
        watch_candidates()
    assert not any("audit_prediction" in query["sql"] for query in queries)


def test_without_enough_annotations_in_time_a_person_decides(history, candidate):
    live(history, LIVE[:3])
    Evaluation.objects.filter(pk=candidate.pk).update(in_shadow_until=timezone.now())
    found = watch(history)
    assert (found.verdict, found.promoted) == ("held back", False)
    assert found.reason == (
        "in shadow: 3 annotated tasks are too few to tell (8 needed) in 14 days;"
        " a person decides"
    )
    assert (in_shadow(history), is_candidate()) == (None, False)


def test_if_more_tasks_are_needed_by_the_verdict_no_time_is_named(history, candidate):
    live(history)
    watch_candidates()
    policy(history, "not-worse", gate_shadow_tasks=20)
    found = watch(history)
    assert found.verdict == "held back"
    assert found.reason == (
        "in shadow: 8 annotated tasks are too few to tell (20 needed); a person decides"
    )


def test_if_its_shadow_ended_early_a_person_decides(history, candidate, origin):
    live(history)  # enough, and still not promoted
    project = history.project
    project.refresh_from_db()
    end_shadow(project, actor="worker", reason="v2 hung on task 7.", origin=origin)
    found = watch(history)
    assert (found.verdict, found.promoted) == ("held back", False)
    assert found.reason.endswith(
        "; no longer in shadow (v2 hung on task 7.); a person decides"
    )


def test_if_a_person_puts_another_version_into_shadow_a_person_decides(
    history, candidate, origin
):
    history.train()
    start_shadow(version=version(history, "v3"), actor="ada", reason="", origin=origin)
    found = watch(history)
    assert found.verdict == "held back"
    assert "no longer in shadow (ada put v3 there)" in found.reason
    assert in_shadow(history) == "v3"


def test_a_version_that_a_person_put_into_shadow_is_not_promoted(history, origin):
    serve_version(history, "v1", origin)
    start_shadow(version=version(history), actor="ada", reason="", origin=origin)
    live(history)
    watch_candidates()
    assert not Evaluation.objects.exists()


def test_a_version_that_no_longer_loads_is_not_promoted(
    history, candidate, monkeypatch
):
    def fail(*_, **__):
        raise ModelNotLoadable("weights are missing")

    monkeypatch.setattr("lsml.quality.evaluation.work.load", fail)
    live(history)
    found = watch(history)
    assert (found.state, found.promoted) == ("failed", False)
    assert found.error == "v2 cannot be loaded: weights are missing"
    assert history.project.served_version == "v1"


@pytest.fixture
def broken(monkeypatch):
    """No evaluation in shadow comes to its end."""

    def fail(*_, **__):
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("lsml.quality.evaluation.work.load", fail)
        yield broken


def ten_minutes_later():
    Evaluation.objects.filter(finished_at__isnull=False).update(
        finished_at=timezone.now() - jobs.RETRY_AFTER
    )


def test_an_evaluation_in_shadow_that_failed_is_tried_again_after_ten_minutes(
    history, candidate, broken
):
    live(history)
    failed = watch(history)
    assert (failed.compared_on, failed.state) == ("shadow", "failed")
    broken.undo()
    assert watch(history) == failed
    ten_minutes_later()
    again = watch(history)
    assert (again.compared_on, again.promoted) == ("shadow", True)


def test_after_three_that_failed_the_version_is_held_back_and_says_what_to_do(
    history, candidate, broken
):
    live(history)
    for _ in range(jobs.ATTEMPTS_MAX):
        failed = watch(history)
        ten_minutes_later()
    assert watch(history) == failed
    assert Evaluation.objects.filter(compared_on="shadow").count() == 3
    assert (in_shadow(history), is_candidate()) == (None, False)
    reason = version(history).held_back
    assert reason.startswith("its evaluation in shadow failed 3 times: ")
    assert "the disk is full" in reason
    assert reason.endswith("; evaluate it again, or promote it with a reason")
    assert AuditEntry.objects.get(verb="shadow stopped").reason == reason
    assert [(each.pk, each.reason) for each in held_back_last()] == [
        (failed.pk, reason)
    ]
    assert failed_last() == []


@pytest.mark.parametrize("still_in_shadow", [True, False])
def test_that_it_is_held_back_after_failures_is_in_the_audit_log(
    history, candidate, broken, still_in_shadow
):
    live(history)
    if not still_in_shadow:  # it hung, so a worker ended its shadow
        Project.objects.update(shadow_version=None)
    for _ in range(jobs.ATTEMPTS_MAX):
        failed = watch(history)
        ten_minutes_later()
    watch(history)
    entry = AuditEntry.objects.filter(verb="version evaluated").latest("pk")
    assert (entry.actor, entry.target) == ("policy", f"evaluation {failed.pk}")
    assert entry.reason == version(history).held_back
    assert entry.detail["verdict"] == "held back"


def test_a_person_may_retry_one_that_failed_before_it_is_tried_again(
    history, candidate, broken, origin
):
    live(history)
    failed = watch(history)
    broken.undo()
    retry(failed, actor="ada", origin=origin)
    assert watch(history).promoted


def test_a_version_whose_evaluation_in_shadow_was_cancelled_is_held_back(
    history, candidate, origin
):
    live(history)
    watch_candidates()
    queued = Evaluation.objects.get(state="queued")
    request_cancel(queued, actor="ada", reason="", origin=origin)
    watch(history)
    assert (in_shadow(history), is_candidate()) == (None, False)
    assert version(history).held_back == (
        "its evaluation in shadow was cancelled by ada; evaluate it again, or promote"
        " it with a reason"
    )


# --- What happens meanwhile ---


def test_if_a_person_promotes_it_meanwhile_nothing_is_left_to_decide(
    history, candidate, origin
):
    serve_version(history, "v2", origin)
    live(history, served="v1")
    assert watch(history) == candidate
    assert (in_shadow(history), is_candidate()) == (None, False)
    assert Promotion.objects.filter(to_version=version(history)).count() == 1


def test_if_a_newer_version_is_promoted_meanwhile_its_shadow_ends(
    history, candidate, origin
):
    history.train()
    serve_version(history, "v3", origin)
    assert watch(history) == candidate
    assert (in_shadow(history), is_candidate()) == (None, False)
    assert history.project.served_version == "v3"


def test_if_the_served_version_changes_it_is_compared_with_that_from_the_beginning(
    history, candidate, origin
):
    live(history)
    serve_version(history, None, origin)
    again = watch(history)
    assert (again.compared_on, again.compared_with) == ("held-out", None)
    assert (again.promoted, in_shadow(history), is_candidate()) == (False, "v2", True)
    watch(history)
    assert history.project.served_version == "0.0.1"  # which predicted none of them


def test_if_the_served_version_changes_during_the_evaluation_it_starts_again(
    history, candidate, origin
):
    live(history)
    watch_candidates()
    queued = Evaluation.objects.get(state="queued")
    serve_version(history, None, origin)
    evaluate(queued.pk)
    queued.refresh_from_db()
    assert (queued.state, queued.promoted) == ("succeeded", False)
    assert history.project.versions.get(version="v2").held_back == ""
    assert Evaluation.objects.get(state="queued").compared_on == "held-out"
    assert (in_shadow(history), is_candidate()) == (None, False)


def test_without_the_requirement_it_is_evaluated_again_and_promoted(history, candidate):
    policy(history, "not-worse", gate_shadow_tasks=0)
    again = watch(history)
    assert (again.compared_on, again.promoted) == ("held-out", True)
    assert (in_shadow(history), is_candidate()) == (None, False)


def test_if_only_people_promote_from_now_on_its_shadow_ends(history, candidate):
    policy(history, "manual")
    live(history)
    assert watch(history) == candidate
    assert (in_shadow(history), is_candidate()) == (None, False)
    assert history.project.served_version == "v1"


def test_in_an_archived_project_its_shadow_ends(history, candidate, origin):
    archive_project(project=history.project, origin=origin, at=timezone.now())
    assert watch(history) == candidate
    assert (in_shadow(history), is_candidate()) == (None, False)


def test_a_worker_that_is_killed_while_it_decides_has_decided_nothing(
    history, candidate, monkeypatch
):
    live(history)
    watch_candidates()
    queued = Evaluation.objects.get(state="queued")

    class Killed(BaseException):
        """Not an error that anybody handles."""

    def kill(*_, **__):
        raise Killed

    with monkeypatch.context() as context:
        context.setattr(jobs.EvaluationKind, "record", kill)
        with pytest.raises(Killed):
            evaluate(queued.pk)
    queued.refresh_from_db()
    assert (queued.state, queued.verdict) == ("running", "")
    assert history.project.promotions.count() == 1
    assert (in_shadow(history), is_candidate()) == ("v2", True)
    lose(queued)
    evaluate(queued.pk)
    history.project.refresh_from_db()
    assert history.project.served_version == "v2"
    assert history.project.promotions.count() == 2


def test_the_check_of_live_agreement_looks_at_candidates(history, candidate):
    live(history)
    watch_agreement()
    assert Evaluation.objects.get(state="queued").compared_on == "shadow"


def test_two_checks_start_one_evaluation(history, candidate):
    live(history)
    watch_candidates()
    watch_candidates()
    running = Evaluation.objects.get(state="queued")
    assert claim(Evaluation, running.pk)
    watch_candidates()
    assert Evaluation.objects.filter(compared_on="shadow").count() == 1


# --- The policy ---


def test_it_is_refused_without_held_out_tasks(history, origin):
    about = {"actor": "ada", "reason": "", "origin": origin}
    with pytest.raises(ValidationError, match="Hold out some annotated tasks"):
        change_policy(project=history.project, changes={"holdout_percent": 0}, **about)
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        change_policy(project=history.project, changes={"shadow_percent": 0}, **about)


@pytest.mark.django_db(transaction=True)
def test_it_does_not_wait_for_an_evaluation_that_ends_and_waits_for_the_project(
    history, candidate, origin
):
    active = request_evaluation(candidate.version, actor="ada", origin=origin)
    serve_version(history, None, origin)  # so the candidate is to be evaluated again
    with psycopg.connect(database_url()) as other:
        other.execute(
            "UPDATE quality_evaluation SET state = 'succeeded' WHERE id = %s",
            [active.pk],
        )
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '500ms'")
            watch_candidates()
            cursor.execute("RESET lock_timeout")
    assert is_candidate()
    assert Evaluation.objects.latest("pk") == active


def test_a_candidate_that_must_be_compared_again_stays_if_that_cannot_begin_yet(
    history, candidate, origin
):
    active = request_evaluation(candidate.version, actor="ada", origin=origin)
    serve_version(history, None, origin)  # so the candidate is to be evaluated again
    watch_candidates()
    request_cancel(active, actor="ada", reason="", origin=origin)
    watch_candidates()
    assert not is_candidate()
    assert Evaluation.objects.get(state="queued").requested_by == "policy"
