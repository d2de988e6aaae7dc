"""A version in shadow predicts its share of the live tasks, once, and never answers."""

import threading
import time
from types import SimpleNamespace

import pytest
from celery import current_app
from django.db import connection
from django.utils import timezone

from lsml.audit import sealing
from lsml.audit.models import AuditEntry, Prediction
from lsml.dataset.holdout import is_held_out
from lsml.dataset.models import Task
from lsml.inference import steps
from lsml.inference import tasks as celery_tasks
from lsml.inference.errors import (
    ModelBusy,
    ModelCrashed,
    ModelNotLoadable,
    ModelTimedOut,
)
from lsml.inference.models import Shadow, ShadowTask
from lsml.inference.shadow import choosing, work
from lsml.inference.shadow.choosing import is_chosen
from lsml.inference.shadow.work import predict_all
from lsml.registry.errors import ShadowRefused
from lsml.registry.services import promote
from lsml.registry.shadow import start_shadow, stop_shadow
from tests.db.audit.conftest import no_seal_was_ever_made
from tests.db.audit.rows import predict as record
from tests.db.conftest import order
from tests.db.quality.history import History

__all__ = ["no_seal_was_ever_made"]  # pytest finds fixtures by name
pytestmark = pytest.mark.django_db(transaction=True)
ALL = range(1, 11)


@pytest.fixture
def history(origin, scripted):
    """v1 is served, v2 is in shadow with all tasks, ten of which are known."""
    scripted.answer = lambda model, tasks: [{"result": []} for _ in tasks]
    history = History()
    for task_id in ALL:
        known(history, task_id)
    now = timezone.now()
    for number in (1, 2):
        history.version(number, "", now)
    promote(
        project=history.project,
        version=history.project.versions.get(version="v1"),
        actor="ada",
        reason="",
        origin=origin,
    )
    start(history, origin, percent=100)
    predict_all(origin)  # begins here
    return history


def known(history, task_id):
    Task.objects.create(
        project=history.project,
        task_id=task_id,
        data={"text": f"text {task_id}"},
        updated_at=timezone.now(),
    )


def version(history, name="v2"):
    return history.project.versions.get(version=name)


def start(history, origin, **more):
    return start_shadow(
        version=version(history), actor="ada", reason="try", origin=origin, **more
    )


def ask(history, task_ids=ALL, **facts):
    """Record what `/predict` answered, and seal it."""
    for task_id in task_ids:
        facts = {"project_pk": history.project.pk, **facts}
        record(1, task_id=task_id, **facts)
    sealing.seal()


def predicted(name="v2"):
    rows = Prediction.objects.filter(kind="shadow", model_version=name)
    return sorted(rows.values_list("task_id", flat=True))


def states():
    return dict(ShadowTask.objects.values_list("task_id", "state"))


def test_it_predicts_what_label_studio_asked_for_in_both_placements(
    history, origin, placement
):
    ask(history, [1, 2, 3])
    predict_all(origin)
    assert predicted() == [1, 2, 3]
    rows = Prediction.objects.filter(kind="shadow")
    assert {row.request_id for row in rows} == {"test-request"}
    assert set(states().values()) == {"predicted"}


def test_the_answer_is_that_of_the_served_version_alone(
    history, origin, post, scripted
):
    scripted.answer = lambda model, tasks: [{"result": [], "score": 0.5} for _ in tasks]
    project = history.project
    got = post("/predict", order(2, project=f"{project.labelstudio_id}.0"))
    assert got.status_code == 200
    assert {each["model_version"] for each in got.json()["results"]} == {"v1"}
    assert len(scripted.calls) == 1
    assert predicted() == []


def test_clicks_bulk_predictions_and_other_projects_are_not_followed(history, origin):
    ask(history, [1], kind="interactive")
    ask(history, [2], kind="bulk")
    ask(history, [3], kind="shadow", model_version="v9")
    ask(history, [4], project_pk=history.project.pk + 1)
    predict_all(origin)
    assert states() == {}


def test_each_task_is_predicted_once_however_often_it_is_asked_for(history, origin):
    for _ in range(3):
        ask(history, [1, 1, 2])
        predict_all(origin)
        predict_all(origin)
    assert predicted() == [1, 2]


def test_what_was_asked_for_before_the_shadow_began_is_not_followed(history, origin):
    facts = {"actor": "ada", "reason": "", "origin": origin}
    stop_shadow(version=version(history), **facts)
    Shadow.objects.all().delete()
    ask(history)
    start(history, origin, percent=100)
    predict_all(origin)
    assert predicted() == []


def test_a_task_that_is_not_in_the_dataset_is_skipped_and_counted(history, origin):
    ask(history, [1, 99])
    predict_all(origin)
    assert states() == {1: "predicted", 99: "unknown"}


class Killed(BaseException):
    """Nothing catches it, like the end of the process."""


def test_killed_after_the_prediction_it_predicts_nothing_twice_and_loses_nothing(
    history, origin, monkeypatch
):
    ask(history)

    def die(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(work, "_still_wanted", die)
        with pytest.raises(Killed):
            predict_all(origin)
    assert len(predicted()) == 1
    ShadowTask.objects.update(state="waiting")  # as if it died before it noted that
    predict_all(origin)
    assert predicted() == list(ALL)
    assert set(states().values()) == {"predicted"}


def test_killed_while_it_chooses_it_chooses_again(history, origin, monkeypatch):
    ask(history)

    def die(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(choosing, "_note", die)
        with pytest.raises(Killed):
            predict_all(origin)
    predict_all(origin)
    assert predicted() == list(ALL)


def test_while_one_process_predicts_another_does_not(history, origin, scripted):
    ask(history, [1, 2])
    answer = scripted.answer

    def overtaken(model, tasks):
        predict_all(origin)
        return answer(model, tasks)

    scripted.answer = overtaken
    predict_all(origin)
    assert predicted() == [1, 2]


def test_while_the_model_is_busy_tasks_wait_for_the_next_round(
    history, origin, monkeypatch
):
    ask(history, [1, 2])

    def busy(*_, **__):
        raise ModelBusy("busy")

    with monkeypatch.context() as patched:
        patched.setattr(steps, "predict_shadow", busy)
        # Not of the module `time`: other threads sleep as well.
        clock = SimpleNamespace(
            monotonic=time.monotonic, sleep=lambda _: pytest.fail("it waited")
        )
        patched.setattr(steps, "time", clock)
        predict_all(origin)
    assert set(states().values()) == {"waiting"}
    predict_all(origin)
    assert predicted() == [1, 2]


def test_a_round_ends_after_some_seconds(history, origin, monkeypatch):
    monkeypatch.setattr(work, "_ROUND_S", -1.0)
    ask(history)
    predict_all(origin)
    assert len(predicted()) == 1  # the first step
    predict_all(origin)
    assert len(predicted()) == 2


def test_of_too_many_tasks_the_latest_wait_and_the_others_are_counted(
    history, origin, monkeypatch
):
    monkeypatch.setattr(choosing, "WAITING_MAX", 3)
    ask(history)
    predict_all(origin)
    assert predicted() == [8, 9, 10]
    assert Shadow.objects.get().dropped == 7


def test_a_failing_task_is_recorded_and_does_not_stop_the_others(
    history, origin, scripted
):
    def answer(model, tasks):
        if any(task["id"] == 7 for task in tasks):
            raise ValueError("cannot read this")
        return [{"result": []} for _ in tasks]

    scripted.answer = answer
    ask(history)
    predict_all(origin)
    assert {task for task, state in states().items() if state == "failed"} == {7}
    ShadowTask.objects.filter(task_id=7).update(state="waiting")  # died before noting
    before = Prediction.objects.count()
    predict_all(origin)
    assert states()[7] == "failed"
    assert Prediction.objects.count() == before


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelNotLoadable("The artifact is damaged."), "The artifact is damaged."),
        (ModelCrashed(), "v2 was predicting task 1. The model process ended"),
        (ModelTimedOut(9.0), "v2 did not answer within 9 s (PREDICT_TIMEOUT_S) on"),
    ],
    ids=["not loadable", "crashed", "timed out"],
)
def test_a_version_that_costs_others_their_predictions_ends_its_shadow(
    history, origin, monkeypatch, error, reason
):
    ask(history, [1])

    def broken(*_, **__):
        raise error

    monkeypatch.setattr(steps, "predict_shadow", broken)
    predict_all(origin)
    history.project.refresh_from_db()
    assert history.project.shadow_version is None
    last = AuditEntry.objects.latest("pk")
    assert (last.verb, last.actor) == ("shadow stopped", "worker")
    assert last.reason.startswith(reason)


def test_a_version_that_fails_on_ten_tasks_in_a_row_ends_its_shadow(
    history, origin, scripted
):
    scripted.answer = ValueError("no such key")
    ask(history)
    predict_all(origin)
    history.project.refresh_from_db()
    assert history.project.shadow_version is None
    reason = AuditEntry.objects.latest("pk").reason
    assert reason.startswith("v2 failed on many tasks in a row; the last was task 1:")
    assert "no such key" in reason


def test_a_shadow_that_is_stopped_predicts_no_further_step(history, origin, scripted):
    ask(history)

    def stopped(model, tasks):
        stop_shadow(
            version=version(history), actor="ada", reason="enough", origin=origin
        )
        return [{"result": []} for _ in tasks]

    scripted.answer = stopped
    predict_all(origin)
    predict_all(origin)
    assert len(predicted()) == 1


def test_a_promotion_ends_the_shadow_and_both_are_recorded(history, origin):
    promote(
        project=history.project,
        version=version(history),
        actor="ada",
        reason="better",
        origin=origin,
    )
    history.project.refresh_from_db()
    assert history.project.shadow_version is None
    last = AuditEntry.objects.latest("pk")
    assert (last.verb, last.actor, last.reason) == ("shadow stopped", "ada", "promoted")


def test_an_archived_version_no_longer_predicts(history, origin):
    history.project.versions.filter(version="v2").update(state="archived")
    ask(history)
    predict_all(origin)
    assert predicted() == []


def test_one_that_a_person_promotes_while_it_loads_is_not_marked_as_not_loadable(
    history, origin, monkeypatch
):
    ask(history, [1])
    history.project.versions.update(snapshot_digest="some")
    tried = version(history, "v2")

    def promoted_meanwhile(*_, **__):
        promote(
            project=history.project, version=tried, actor="ada", reason="",
            origin=origin,
        )  # fmt: skip
        raise ModelNotLoadable("no libraries here")

    monkeypatch.setattr(steps, "predict_shadow", promoted_meanwhile)
    predict_all(origin)
    tried.refresh_from_db()
    assert tried.load_error == ""


@pytest.mark.parametrize(
    ("changes", "name", "reason"),
    [
        ({}, "v1", "v1 is served already."),
        ({"state": "archived"}, "v2", "v2 is archived."),
        ({"load_error": "gone"}, "v2", "v2 does not load: gone"),
    ],
)
def test_a_version_that_cannot_be_tried_is_refused(
    history, origin, changes, name, reason
):
    history.project.versions.filter(version=name).update(**changes)
    with pytest.raises(ShadowRefused, match=reason):
        start_shadow(
            version=version(history, name), actor="ada", reason="", origin=origin
        )


@pytest.mark.parametrize("percent", [1, 5, 20, 50])
def test_the_share_is_close_to_the_percentage_and_independent_of_the_hold_out(percent):
    chosen = [task for task in range(50_000) if is_chosen(3, task, percent)]
    assert abs(len(chosen) / 500 - percent) < 0.5
    held_out = [task for task in chosen if is_held_out(3, task, 15)]
    assert abs(100 * len(held_out) / len(chosen) - 15) < 4


def test_the_share_is_always_the_same_tasks():
    chosen = [task for task in range(1, 101) if is_chosen(3, task, 20)]
    assert chosen[:5] == SAME_TASKS
    assert set(chosen) < {task for task in range(1, 101) if is_chosen(3, task, 40)}


SAME_TASKS = [2, 6, 10, 11, 14]  # of every release


def test_a_live_answer_does_not_wait_for_a_slow_candidate(
    history, origin, post, scripted
):
    """While the candidate is inside predict(), the served version answers."""
    inside, go_on = threading.Event(), threading.Event()

    def answer(model, tasks):
        if threading.current_thread() is thread:
            inside.set()
            assert go_on.wait(30)
        return [{"result": [], "score": 0.5} for _ in tasks]

    scripted.answer = answer
    ask(history, [1])

    def shadow():
        try:
            predict_all(origin)
        finally:
            connection.close()

    thread = threading.Thread(target=shadow)
    thread.start()
    assert inside.wait(10)
    got = post("/predict", order(1, project=f"{history.project.labelstudio_id}.0"))
    answered_meanwhile = not go_on.is_set() and got.status_code == 200
    go_on.set()
    thread.join(30)
    assert answered_meanwhile
    assert predicted() == [1]


def test_beat_has_a_worker_predict_and_messages_that_piled_up_do_it_once(monkeypatch):
    name = celery_tasks.predict_in_shadow.name
    entries = current_app.conf.beat_schedule.values()
    assert name in {each["task"] for each in entries}
    assert name not in current_app.conf.task_routes  # the queue `default`
    calls = []
    monkeypatch.setattr(work, "predict_all", calls.append)
    monkeypatch.setattr(celery_tasks, "_shadows", celery_tasks.Pace())
    for _ in range(3):
        celery_tasks.predict_in_shadow()
    assert len(calls) == 1
