"""A new version is compared with the served one, and promoted or held back."""

import json
from itertools import groupby
from types import SimpleNamespace

import pytest

from lsml.audit.models import AuditEntry, Prediction
from lsml.inference.errors import (
    ModelBusy,
    ModelCrashed,
    ModelNotLoadable,
    ModelTimedOut,
    StillLoading,
)
from lsml.inference.services import predict_shadow
from lsml.model_process.errors import ModelProcessEnded, ModelProcessUnavailable
from lsml.quality.evaluation import measuring
from lsml.quality.evaluation.jobs import evaluate_new, kind, request_evaluation
from lsml.quality.evaluation.measuring import load
from lsml.quality.evaluation.models import Evaluation
from lsml.quality.evaluation.work import evaluate
from lsml.registry.models import Project, Promotion
from lsml.registry.services import promote
from tests.broker import collect_messages
from tests.db.quality.history import History, choice
from tests.model_process import model_process

pytestmark = pytest.mark.django_db

HELD_OUT = range(1, 101)
LABELS = ("Refund", "Billing")


@pytest.fixture(autouse=True)
def messages(monkeypatch):
    return collect_messages(monkeypatch)


@pytest.fixture
def wrong(scripted, monkeypatch):
    """Version -> tasks that it gets wrong, or an error that it raises."""
    wrong, scripted.versions = {}, []

    def predict_by(serving, tasks, **more):
        scripted.version = serving.version
        scripted.versions.append(serving.version)
        return predict_shadow(serving, tasks, **more)

    def answer(model, tasks):
        about = wrong.get(scripted.version, ())
        if isinstance(about, Exception):
            raise about
        return [
            {"result": choice(LABELS[(task["id"] + (task["id"] in about)) % 2])}
            for task in tasks
        ]

    scripted.answer = answer
    monkeypatch.setattr("lsml.inference.steps.predict_shadow", predict_by)
    return wrong


@pytest.fixture
def history(origin):
    """A hundred held-out tasks; v1 is served and v2 is new."""
    return a_history(origin, tasks=HELD_OUT)


def a_history(origin, *, tasks):
    history = History()
    history.annotate_all({task: LABELS[task % 2] for task in tasks})
    for _ in range(2):
        history.train(held_out=[100 * task for task in tasks])
    serve_version(history, "v1", origin)
    return history


def serve_version(history, name, origin):
    version = history.project.versions.get(version=name) if name else None
    promote(
        project=history.project,
        version=version,
        actor="ada",
        reason="",
        origin=origin,
    )


def policy(history, name, **more):
    history.project.promotion_policy = name
    for field, value in more.items():
        setattr(history.project, field, value)
    history.project.save()


def evaluated(history, name="v2"):
    """Evaluate a new version, and return its latest evaluation."""
    version = history.project.versions.get(version=name)
    evaluate_new(version.pk)
    evaluate(version.evaluations.latest("pk").pk)
    history.project.refresh_from_db()
    return version.evaluations.latest("pk")


def test_a_version_that_is_not_worse_is_promoted_with_the_figures(history, wrong):
    wrong["v1"] = {1, 2, 3, 4, 5}
    found = evaluated(history)
    assert (found.state, found.verdict, found.promoted) == ("succeeded", "passed", True)
    assert history.project.served_version == "v2"
    assert found.reason == "95.0 % → 100.0 % on 100 held-out tasks"
    last = Promotion.objects.latest("pk")
    assert (last.actor, last.reason) == ("policy", found.reason)
    new, old = found.report["versions"]
    assert (new["version"], new["score"][0]) == ("v2", 1.0)
    assert (old["version"], old["score"][0]) == ("v1", 0.95)
    assert old["score"][1] < 0.95 < old["score"][2]


def test_the_versions_predict_by_turns_so_that_a_busy_machine_slows_down_both(
    history, wrong, scripted
):
    evaluated(history)
    turns = [name for name, _ in groupby(scripted.versions)]
    # A fast model has more tasks in a call than are left in its turn, so it skips some.
    assert turns == ["v2", "v1"] * 7


def test_most_tasks_share_a_call_of_a_fast_model(history, wrong, scripted):
    evaluated(history)
    assert scripted.versions.count("v2") < 30


def test_a_worse_version_is_held_back_and_the_label_is_named(history, wrong):
    wrong["v2"] = {task for task in HELD_OUT if task % 2 and task < 42}
    found = evaluated(history)
    assert (found.verdict, found.promoted) == ("held back", False)
    assert history.project.served_version == "v1"
    assert "recall of Billing fell from 100 % to 58 % on 50 tasks" in found.reason
    billing = {row["label"]: row for row in found.report["versions"][0]["labels"]}
    assert billing["topic: Billing"]["recall"][0] == 0.58


def test_a_version_that_was_held_back_says_so_until_it_passes(history, wrong, origin):
    wrong["v2"] = range(1, 41)
    found = evaluated(history)
    found.version.refresh_from_db()
    assert found.version.held_back == found.reason
    wrong["v2"] = ()
    again = request_evaluation(found.version, actor="ada", origin=origin)
    evaluate(again.pk)
    again.refresh_from_db()
    assert (again.promoted, again.version.held_back) == (True, "")


def test_the_verdict_is_in_the_audit_log(history, wrong):
    wrong["v2"] = set(HELD_OUT)
    found = evaluated(history)
    entry = AuditEntry.objects.get(verb="version evaluated")
    assert entry.target == f"evaluation {found.pk}"
    assert entry.detail["verdict"] == "held back"
    assert entry.detail["reason"] == found.reason
    assert (entry.detail["tasks"], entry.detail["policy"]) == (100, "not-worse")
    assert (entry.detail["promoted"], entry.detail["compared_with"]) == (
        False,
        found.compared_with_id,
    )


def test_its_predictions_are_recorded_as_shadow_and_the_worst_tasks_are_kept(
    history, wrong
):
    wrong["v2"] = {7}
    found = evaluated(history)
    rows = Prediction.objects.filter(kind="shadow")
    assert rows.count() == 200
    assert {row.request_id for row in rows} == {f"evaluation-{found.pk:08d}"}
    assert found.task_scores[0] == [7, 0.0, 1.0]


@pytest.mark.parametrize("name", ["always", "manual"])
def test_these_policies_only_record_the_comparison(history, wrong, name):
    policy(history, name)
    wrong["v1"] = set(HELD_OUT)
    found = evaluated(history)
    assert (found.verdict, found.promoted, found.policy) == ("passed", False, name)
    assert history.project.served_version == "v1"


def test_better_holds_back_what_is_only_as_good(history, wrong):
    policy(history, "better")
    assert evaluated(history).verdict == "held back"


def test_with_too_few_tasks_it_is_promoted_and_says_so(history, wrong):
    policy(history, "not-worse", gate_min_tasks=101)
    wrong["v2"] = set(HELD_OUT)
    found = evaluated(history)
    assert (found.verdict, found.promoted) == ("too few tasks", True)
    assert found.reason == "100 held-out tasks are too few to tell (101 needed)"


def test_a_person_who_evaluates_on_too_few_tasks_promotes_nothing(
    history, wrong, origin
):
    policy(history, "not-worse", gate_min_tasks=101)
    version = history.project.versions.get(version="v2")
    again = request_evaluation(version, actor="ada", origin=origin)
    evaluate(again.pk)
    again.refresh_from_db()
    assert (again.verdict, again.promoted) == ("too few tasks", False)


def test_tasks_that_the_served_version_was_trained_on_do_not_count(
    history, wrong, origin
):
    history.train(*[100 * task for task in range(1, 51)])
    serve_version(history, "v3", origin)
    found = evaluated(history, "v2")
    assert found.task_count == 50
    assert found.report["versions"][1]["version"] == "v3"


def test_a_task_counts_as_wrong_if_only_the_new_version_fails_on_it(
    history, wrong, scripted
):
    answer = scripted.answer

    def fail(model, tasks):
        if scripted.version == "v2" and any(task["id"] % 3 == 0 for task in tasks):
            raise ValueError("a broken task")
        return answer(model, tasks)

    scripted.answer = fail
    found = evaluated(history)
    assert found.verdict == "held back"
    assert found.reason.startswith("100.0 % → 67.0 % on 100 held-out tasks")
    assert found.report["versions"][0]["failed"] == 33
    assert "a broken task" in found.log


def test_if_the_served_version_fails_on_everything_the_new_one_is_promoted(
    history, wrong
):
    wrong["v1"] = ValueError("not trained")
    found = evaluated(history)
    assert found.promoted
    assert found.reason.startswith(
        "0.0 % → 100.0 % on 100 held-out tasks; v1 failed on 100"
    )
    assert "not trained" in found.reason


@pytest.mark.parametrize("served", [(), ValueError("away")])
def test_a_version_that_fails_on_most_tasks_is_held_back(history, wrong, served):
    wrong["v1"], wrong["v2"] = served, ValueError("the API is away")
    found = evaluated(history)
    assert found.verdict == "held back"
    assert found.reason.startswith("v2 failed on 100 of 100 held-out tasks: gave up")
    assert "the API is away" in found.reason


def test_a_version_that_fails_ten_times_in_a_row_is_not_asked_again(
    origin, wrong, scripted
):
    """A call that fails may have taken half a minute."""
    history = a_history(origin, tasks=range(1, 41))
    wrong["v2"] = ValueError("the API is away")
    found = evaluated(history)
    assert found.reason.startswith("v2 failed on 40 of 40 held-out tasks: gave up")
    assert scripted.versions.count("v2") == 10


@pytest.mark.slow
def test_after_a_crash_of_the_model_process_the_evaluation_begins_again(
    history, wrong, scripted
):
    """Another version may be the cause."""
    answer, crashes = scripted.answer, iter([ModelCrashed()])

    def crash_once(model, tasks):
        if any(task["id"] == 50 for task in tasks) and (error := next(crashes, None)):
            raise error
        return answer(model, tasks)

    scripted.answer = crash_once
    found = evaluated(history)
    assert (found.state, found.failures) == ("queued", 1)
    evaluate(found.pk)
    found.refresh_from_db()
    assert (found.state, found.promoted) == ("succeeded", True)


def test_a_version_that_crashes_the_model_process_each_time_is_given_up(
    history, wrong, scripted
):
    wrong["v2"] = ModelCrashed()
    found = evaluated(history)
    for _ in range(2):
        evaluate(found.pk)
    found.refresh_from_db()
    assert found.state == "failed"
    assert "The last one: v2 was predicting task 1. The model process" in found.error
    assert scripted.versions == ["v2"] * 3


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_if_a_version_hangs_the_evaluation_fails_and_names_the_task(
    history, wrong, scripted, name
):
    wrong[name] = ModelTimedOut(90)
    found = evaluated(history)
    assert (found.state, found.promoted) == ("failed", False)
    assert found.error == (
        f"{name} did not answer within 90 s (PREDICT_TIMEOUT_S) on task 1."
    )
    assert scripted.versions.count(name) == 1


def test_a_version_that_a_person_took_back_is_not_promoted_again(
    history, wrong, origin
):
    serve_version(history, "v2", origin)
    serve_version(history, "v1", origin)
    found = evaluated(history)
    assert (found.verdict, found.promoted) == ("passed", False)
    assert history.project.served_version == "v1"


def test_without_a_task_that_both_can_be_compared_on_it_is_promoted(
    history, wrong, origin
):
    history.train(*[100 * task for task in HELD_OUT])
    serve_version(history, "v3", origin)
    history.train(held_out=[100 * task for task in HELD_OUT])
    found = evaluated(history, "v4")
    assert (found.verdict, found.promoted) == ("too few tasks", True)
    assert "v3 may have been trained on all tasks held out from v4" in found.reason


def test_it_is_not_known_what_a_version_of_another_project_was_trained_on(
    history, wrong
):
    history.project.snapshots.filter(digest=f"{1:064}").delete()
    assert evaluated(history).verdict == "too few tasks"


def test_a_model_that_names_its_version_while_it_is_evaluated_does_not_serve(
    history, wrong, scripted
):
    answer = scripted.answer

    def name(model, tasks):
        if scripted.version == "v2":
            model.set("model_version", "mine")
        return answer(model, tasks)

    scripted.answer = name
    wrong["v2"] = set(HELD_OUT)
    assert evaluated(history).verdict == "held back"
    assert history.project.served_version == "v1"
    assert not history.project.versions.filter(version="mine").exists()


def test_the_untrained_model_is_compared_as_well(history, wrong, origin):
    serve_version(history, None, origin)
    wrong["v2"] = set(HELD_OUT)
    found = evaluated(history)
    assert found.report["versions"][1]["version"] == "0.0.1"
    assert (found.verdict, found.compared_with) == ("held back", None)


def test_if_another_version_is_served_by_then_it_is_compared_with_that(
    history, wrong, scripted, origin
):
    answer = scripted.answer

    def roll_back(model, tasks):
        if history.project.served_version == "v1":
            serve_version(history, None, origin)
        return answer(model, tasks)

    scripted.answer = roll_back
    again = evaluated(history)  # the second one, which has not begun
    first = again.version.evaluations.exclude(pk=again.pk).get()
    assert (first.verdict, first.promoted) == ("passed", False)
    evaluate(again.pk)
    again.refresh_from_db()
    assert (again.compared_with, again.promoted) == (None, True)


def test_an_older_version_does_not_replace_a_newer_one(history, wrong, origin):
    history.train(held_out=[100 * task for task in HELD_OUT])
    serve_version(history, "v3", origin)
    found = evaluated(history, "v2")
    assert (found.verdict, found.promoted) == ("passed", False)
    assert history.project.served_version == "v3"


def test_a_version_whose_message_was_lost_is_found_by_the_sweeper(history, wrong):
    kind.sweep()
    kind.sweep()
    assert Evaluation.objects.get().version.version == "v2"


def test_a_person_can_evaluate_a_version_again(history, wrong, origin):
    first = evaluated(history)
    first.version.parent = history.project.versions.get(version="v1")
    first.version.save()
    again = request_evaluation(first.version, actor="ada", origin=origin)
    evaluate(again.pk)
    again.refresh_from_db()
    assert again.compared_with.version == "v1"  # its parent, because it is served
    assert AuditEntry.objects.filter(verb="evaluation requested", actor="ada").exists()


def test_a_version_that_cannot_be_loaded_is_not_promoted(history, wrong, monkeypatch):
    def fail(serving, origin, **about):
        if serving.version == "v2":
            raise ModelNotLoadable("weights are missing")
        load(serving, origin, **about)

    monkeypatch.setattr("lsml.quality.evaluation.work.load", fail)
    found = evaluated(history)
    assert found.state == "failed"
    assert found.error == "v2 cannot be loaded: weights are missing"
    found.version.refresh_from_db()
    assert found.version.load_error == "weights are missing"
    assert history.project.served_version == "v1"


def test_without_the_answers_of_the_served_version_a_new_one_is_held_back(
    history, wrong, monkeypatch
):
    """It may well load where it serves: only this process has no memory for it."""

    def fail(serving, origin, **about):
        if serving.version == "v1":
            raise ModelNotLoadable("out of memory")
        load(serving, origin, **about)

    monkeypatch.setattr("lsml.quality.evaluation.work.load", fail)
    found = evaluated(history)
    assert (found.verdict, found.promoted) == ("held back", False)
    assert found.reason == (
        "v1, which it is to be compared with, cannot be loaded: out of memory. Evaluate"
        " v2 again, or promote it with a reason"
    )
    assert history.project.served_version == "v1"
    assert history.project.versions.get(version="v1").load_error == ""


# Loading has a thread of its own.
with_connections_of_other_threads = pytest.mark.django_db(transaction=True)


@pytest.fixture
def serving(settings, server):
    """The process that serves is a stub; another one predicts in the background."""
    settings.MODEL_PLACEMENT = "process"
    settings.MODEL_URL = server.url
    server.answers["/load"] = {}
    with model_process() as settings.BACKGROUND_MODEL_URL:
        yield server


def loaded(serving):
    return [json.loads(body)["serving"]["version"] for body in serving.bodies]


@pytest.mark.slow
@with_connections_of_other_threads
def test_a_version_is_loaded_where_it_will_serve_before_it_is_promoted(
    history, wrong, serving
):
    assert evaluated(history).promoted
    assert serving.paths == ["/load"]
    assert loaded(serving) == ["v2"]


@pytest.mark.slow
@with_connections_of_other_threads
def test_a_version_that_does_not_load_where_it_would_serve_is_not_promoted(
    history, wrong, serving
):
    serving.answers["/load"] = {"error": "not_loadable", "text": "no GPU"}
    found = evaluated(history)
    assert (found.state, found.error) == ("failed", "v2 cannot be loaded: no GPU")
    assert history.project.versions.get(version="v2").load_error == "no GPU"
    assert history.project.served_version == "v1"


@pytest.mark.slow
@with_connections_of_other_threads
def test_a_version_that_is_held_back_does_not_reach_the_process_that_serves(
    history, wrong, serving
):
    wrong["v2"] = range(1, 51)
    assert evaluated(history).verdict == "held back"
    assert serving.requests == []


def test_a_process_that_ends_while_it_loads_a_version_costs_an_attempt(
    history, wrong, monkeypatch
):
    class Dying:
        def load(self, *_, **__):
            raise ModelProcessEnded

    monkeypatch.setattr(measuring, "models", lambda kind: Dying())
    found = evaluated(history)
    assert (found.state, found.failures) == ("queued", 1)
    for _ in range(2):
        evaluate(found.pk)
    found.refresh_from_db()
    assert found.state == "failed"
    assert "The model process ended while it loaded v2" in found.error


# httpcore leaves the socket that it could not connect to the garbage collector.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@with_connections_of_other_threads
def test_while_the_background_process_is_away_an_evaluation_waits(
    history, wrong, serving, settings, monkeypatch
):
    there = settings.BACKGROUND_MODEL_URL
    settings.BACKGROUND_MODEL_URL = "http://127.0.0.1:1"
    waits = []

    def come_back(seconds):
        waits.append(seconds)
        settings.BACKGROUND_MODEL_URL = there

    clock = SimpleNamespace(sleep=come_back, monotonic=lambda: 0.0)
    monkeypatch.setattr(measuring, "time", clock)
    assert evaluated(history).promoted
    assert len(waits) == 1


def test_a_version_that_hangs_while_loading_elsewhere_does_not_keep_the_worker(
    history, wrong, monkeypatch
):
    class Hanging:
        def load(self, *_, **__):
            calls.append(1)
            if len(calls) > 100:
                raise RuntimeError("waits for ever")
            clock.now += 60
            raise StillLoading("v2", waited_s=60) if len(calls) % 2 else ModelBusy("")

    calls = []
    clock = SimpleNamespace(now=0.0, sleep=lambda _: None)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(measuring, "time", clock)
    monkeypatch.setattr(measuring, "models", lambda kind: Hanging())
    found = evaluated(history)
    assert (found.state, found.failures) == ("failed", 0)
    assert found.error.startswith("v2 did not load within 600 s")
    assert len(calls) == 10
    found.version.refresh_from_db()
    assert found.version.load_error == ""


def test_time_in_which_the_process_is_away_does_not_count_as_loading(
    history, wrong, monkeypatch
):
    class Returning:
        def load(self, *_, **__):
            calls.append(1)
            clock.now += 500
            if len(calls) < 4:
                raise ModelProcessUnavailable
            if len(calls) == 4:
                raise StillLoading("v2", waited_s=500)

    calls = []
    clock = SimpleNamespace(now=0.0, sleep=lambda _: None)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(measuring, "time", clock)
    monkeypatch.setattr(measuring, "models", lambda kind: Returning())
    assert evaluated(history).promoted


def test_the_rule_is_the_one_that_the_policy_has_at_the_end(history, wrong, scripted):
    answer = scripted.answer

    def answer_and_change(model, tasks):
        Project.objects.update(promotion_policy="better")
        return answer(model, tasks)

    scripted.answer = answer_and_change
    found = evaluated(history)
    assert (found.policy, found.verdict) == ("better", "held back")
    assert history.project.served_version == "v1"


def test_a_version_that_is_served_by_now_is_not_marked_as_not_loadable(
    history, wrong, origin, monkeypatch
):
    class Failing:
        def load(self, *_, **__):
            serve_version(history, "v2", origin)
            raise ModelNotLoadable("no libraries here")

    monkeypatch.setattr(measuring, "models", lambda kind: Failing())
    found = evaluated(history)
    assert found.error == "v2 cannot be loaded: no libraries here"
    found.version.refresh_from_db()
    assert found.version.load_error == ""


@with_connections_of_other_threads
def test_one_that_cannot_be_compared_is_loaded_before_it_is_promoted_too(
    history, wrong, serving, origin
):
    history.train(*[100 * task for task in HELD_OUT])
    serve_version(history, "v3", origin)
    history.train(held_out=[100 * task for task in HELD_OUT])
    found = evaluated(history, "v4")
    assert (found.verdict, found.promoted) == ("too few tasks", True)
    assert loaded(serving) == ["v4"]
