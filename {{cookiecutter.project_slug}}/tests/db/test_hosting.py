"""Models in memory: batches, calls that hang, versions that are no longer used."""

import threading
import time

import pytest
from django.db import connections

from lsml.audit.models import Prediction
from lsml.inference import admission
from lsml.inference.errors import ModelTimedOut
from lsml.inference.hosting import host as hosting
from lsml.inference.hosting import watch
from lsml.inference.hosting.host import host
from lsml.inference.services import predict_shadow
from lsml.labelstudio.identity import ProjectKey
from lsml.registry.models import INITIAL_VERSION
from lsml.registry.served import Served
from lsml.registry.services import get_or_create_project
from tests.db.conftest import CONFIG, order, recorded, tasks
from tests.models.scripted import BatchingModel, SlowModel, SlowSetup

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("placement"),
]


@pytest.fixture
def together(post):
    """Post requests at the same time, and return the answers in order."""

    def call(bodies, *, until=lambda: None):
        answers = [None] * len(bodies)

        def one(number):
            answers[number] = post("/predict", bodies[number])
            connections.close_all()

        threads = [
            threading.Thread(target=one, args=[number]) for number in range(len(bodies))
        ]
        for thread in threads:
            thread.start()
        until()
        for thread in threads:
            thread.join()
        return answers

    return call


@pytest.fixture
def batching(serve, post):
    """Serve a model whose first call waits until others wait for it."""
    serve("tests.models.scripted.BatchingModel")
    BatchingModel.sizes, BatchingModel.go_on = [], threading.Event()
    post("/setup", {"project": "1.1795433940", "schema": CONFIG})
    return BatchingModel


def some_wait(count):
    """Return a function that waits until `count` predictions wait for their model."""

    def wait():
        until = time.monotonic() + 10
        while time.monotonic() < until:
            if (
                sum(sum(each.waiting.values()) for each in host.status().models)
                >= count
            ):
                break
            time.sleep(0.01)
        BatchingModel.go_on.set()

    return wait


def one_task(number, word="fine"):
    task = {"id": number, "data": {"text": word}}
    return {"tasks": [task], "project": "1.1795433940"}


def test_requests_that_wait_share_a_call_and_each_gets_its_own_answer(
    batching, together
):
    answers = together([one_task(n) for n in range(6)], until=some_wait(5))
    assert sorted(batching.sizes) == [1, 5]
    for number, answer in enumerate(answers):
        (result,) = answer.json()["results"]
        assert result["result"][0]["value"] == {"text": [f"task {number}"]}
        row = Prediction.objects.get(request_id=answer["X-Request-ID"])
        assert row.task_id == number


def test_a_task_that_fails_in_a_shared_call_fails_alone(batching, together):
    bodies = [one_task(n, "broken" if n == 3 else "fine") for n in range(5)]
    answers = together(bodies, until=some_wait(4))
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [500]
    outcomes = Prediction.objects.order_by("task_id").values_list("outcome", flat=True)
    assert list(outcomes) == ["ok", "ok", "ok", "error", "ok"]


def test_a_call_that_hangs_is_recorded_as_an_error_and_its_process_restarts(
    serve, together, settings, monkeypatch, placement
):
    settings.PREDICT_TIMEOUT_S = 0.3
    restarts = threading.Event()
    monkeypatch.setattr(watch.watch, "_restart", None)
    monkeypatch.setattr(watch, "stop_accepting", lambda: None)
    monkeypatch.setattr(watch, "exit_now", restarts.set)
    monkeypatch.setattr(watch, "GRACE_S", {settings.PROCESS: 0.1})
    serve("tests.models.scripted.SlowModel")
    SlowModel.hold()

    def row_is_there():
        SlowModel.inside.acquire(timeout=10)
        until = time.monotonic() + 10
        while not Prediction.objects.exists() and time.monotonic() < until:
            time.sleep(0.02)
        assert restarts.wait(10)
        SlowModel.go_on.set()

    (answer,) = together([order(1)], until=row_is_there)
    row = Prediction.objects.order_by("pk").first()
    assert row.outcome == "error"
    assert "did not answer within 0.3 s" in row.error
    if placement == "process":  # in web, the thread that answers is the one that hangs
        assert (answer.status_code, answer.json()["code"]) == (504, "model_timed_out")


def test_in_a_worker_a_call_that_hangs_is_left_behind_and_others_go_on(
    serve, settings, origin, placement
):
    if placement == "process":
        pytest.skip("the model is in the model process, which restarts")
    settings.PROCESS, settings.PREDICT_TIMEOUT_S = "worker", 0.3
    serve("tests.models.scripted.SlowModel")
    SlowModel.hold()
    project = get_or_create_project(ProjectKey(1))
    serving = Served(project.pk, INITIAL_VERSION, CONFIG)
    try:
        with pytest.raises(ModelTimedOut, match=r"did not answer within 0\.3 s"):
            predict_shadow(serving, tasks(2), origin=origin)
        assert host.status().models == []  # nobody else calls it
    finally:
        SlowModel.go_on.set()
    assert len(predict_shadow(serving, tasks(2), origin=origin).by_task) == 2
    rows = Prediction.objects.order_by("pk").values_list("task_id", "outcome")
    assert list(rows) == [(1, "error"), (2, "error"), (1, "ok"), (2, "ok")]


def test_a_row_that_the_database_does_not_take_delays_no_restart(settings, monkeypatch):
    settings.PREDICT_TIMEOUT_S = 0.1
    stopped, restarts, go_on = threading.Event(), threading.Event(), threading.Event()
    monkeypatch.setattr(watch, "stop_accepting", stopped.set)
    monkeypatch.setattr(watch, "exit_now", restarts.set)
    monkeypatch.setattr(watch, "GRACE_S", {settings.PROCESS: 0.1})
    monkeypatch.setattr(watch, "_REPORTS_S", 0.1)
    try:
        with watch.Watch().running("predict", [go_on.wait]):
            assert stopped.wait(10)
            assert restarts.wait(10)
    finally:
        go_on.set()


@pytest.mark.parametrize(
    ("busy_with", "body", "status"),
    [
        (2, order(1), 503),
        (2, recorded("predict/interactive"), 200),
        (3, recorded("predict/interactive"), 503),
    ],
)
def test_predictions_beyond_the_bound_are_refused_at_once_annotators_last(
    post, constant, settings, monkeypatch, busy_with, body, status
):
    settings.WEB_PREDICT_THREADS = 3
    monkeypatch.setattr(admission.admission, "_admitted", busy_with)
    answer = post("/predict", body)
    assert answer.status_code == status
    if status == 503:
        assert int(answer["Retry-After"]) >= 1
        assert not Prediction.objects.exists()
    assert admission.admission._admitted == busy_with


def test_a_version_that_its_project_no_longer_uses_leaves_the_memory(
    post, scripted, monkeypatch
):
    scripted.answer = [{"result": []}]
    post("/predict", order(1))
    changed = CONFIG.replace("Negative", "Neutral")
    post("/predict", order(1, label_config=changed))
    assert len(host.status().models) == 2
    monkeypatch.setattr(hosting, "_IDLE_S", 0.0)
    post("/predict", order(1, label_config=changed))
    assert len(host.status().models) == 1


def test_a_model_without_requests_leaves_the_memory_if_that_is_limited(
    post, scripted, settings
):
    scripted.answer = [{"result": []}]
    post("/predict", order(1))
    host._drop_idle()
    assert len(host.status().models) == 1
    settings.MODELS_IDLE_MAX_S = 1e-9
    host._drop_idle()
    assert host.status().models == []
    assert post("/predict", order(1)).status_code == 200


def test_it_leaves_the_memory_although_no_request_comes(
    post, scripted, settings, monkeypatch
):
    monkeypatch.setattr(hosting, "_LOOK_EVERY_S", 0.01)
    host.start_dropping()
    scripted.answer = [{"result": []}]
    post("/predict", order(1))
    settings.MODELS_IDLE_MAX_S = 1e-9
    until = time.monotonic() + 10
    while host.status().models and time.monotonic() < until:
        time.sleep(0.01)
    assert host.status().models == []


def test_the_least_recently_used_model_is_dropped_first(post, scripted, settings):
    settings.MODELS_IN_MEMORY_MAX = 2
    scripted.answer = [{"result": []}]
    for project in ("1.1", "2.2", "1.1", "3.3", "1.1"):
        post("/predict", {"tasks": tasks(1), "project": project})
    assert scripted.made == 3
    post("/predict", {"tasks": tasks(1), "project": "2.2"})
    assert scripted.made == 4


def test_the_task_that_an_annotator_opened_is_prefetched(serve, post):
    serve("tests.models.scripted.PrefetchingModel")
    from tests.models.scripted import PrefetchingModel

    PrefetchingModel.prefetched.clear()
    post("/predict", order(3))  # "Retrieve predictions": nobody opened these
    post("/predict", {**order(1), "tasks": [{"id": 7, "data": {"text": "opened"}}]})
    until = time.monotonic() + 10
    while not PrefetchingModel.prefetched and time.monotonic() < until:
        time.sleep(0.01)
    assert PrefetchingModel.prefetched == [7]


def test_the_metrics_of_the_model_process_appear_once(post, api, constant, placement):
    post("/predict", order(1))
    lines = api.get("/metrics").content.decode().splitlines()
    names = [line.split()[0] for line in lines if not line.startswith("#")]
    expected = 1 if placement == "process" else 0  # web has them in gunicorn's folder
    assert names.count("lsml_models_loaded") == expected
    assert names.count("lsml_model_process_up") == expected


def test_a_model_that_exits_fails_alone_and_its_error_is_recorded(post, scripted):
    def leave(_model, _tasks):
        raise SystemExit(3)

    scripted.answer = leave
    reply = post("/predict", order(1))
    assert (reply.status_code, reply.json()["code"]) == (500, "model_error")
    assert "SystemExit" in Prediction.objects.get().error


def test_an_error_with_characters_that_json_forbids_is_answered(post, scripted):
    scripted.answer = ValueError("file \udc80 is missing")
    reply = post("/predict", order(1))
    assert (reply.status_code, reply.json()["code"]) == (500, "model_error")
    assert "file ? is missing" in Prediction.objects.get().error


def test_a_score_beyond_a_float_names_its_task(post, scripted):
    scripted.answer = [{"result": [], "score": 10**400}]
    reply = post("/predict", order(1))
    assert "score for task 1 (number 1) that is too large" in reply.json()["detail"]


def test_many_requests_at_once_load_a_version_once_though_few_may_stay(
    together, serve, post, settings
):
    settings.MODELS_IN_MEMORY_MAX = 1
    serve("tests.models.scripted.SlowSetup")
    SlowSetup.made = 0
    bodies = [{"tasks": tasks(1), "project": f"{n % 2 + 1}.1"} for n in range(1, 7)]
    for body in bodies[:2]:
        post("/setup", {"project": body["project"], "schema": CONFIG})
    assert {reply.status_code for reply in together(bodies)} == {200}
    assert SlowSetup.made == 2
