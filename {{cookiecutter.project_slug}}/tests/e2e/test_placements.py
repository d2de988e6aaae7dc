"""Real processes under both placements: busy, hanging and killed models."""

import os
import re
import signal
import subprocess
import threading
import time
from contextlib import suppress

import pytest

pytestmark = pytest.mark.slow


def predict(service, text="hm"):
    task = {"id": 1, "data": {"text": text}}
    body = {"tasks": [task], "project": "1.1795433940", "params": {}}
    return service.call("POST", "/predict", body)


def until_answered(service, *, within_s=60):
    """Predict until it succeeds, and return the statuses before that."""
    statuses, deadline = [], time.monotonic() + within_s
    while (status := _status(service)) != 200:
        assert time.monotonic() < deadline, statuses
        statuses.append(status)
        time.sleep(0.1)
    return statuses


def _status(service):
    try:
        return predict(service)[0]
    except OSError:
        return 0  # a web process that restarts


@pytest.fixture(params=["web", "process"])
def start(request, start_service):
    """Start a service whose models are in one of both places."""

    def with_model(name, **environment):
        service = start_service(
            only={"web", "model"},
            MODEL_PLACEMENT=request.param,
            MODEL_CLASS=f"tests.models.serving.{name}",
            WEB_WORKERS="2",
            **environment,
        )
        service.placement = request.param
        until_answered(service)
        return service

    return with_model


@pytest.mark.parametrize("model", ["Sleeping", "Burning"])
def test_webhooks_are_accepted_while_more_predict_than_the_model_can_take(start, model):
    service = start(model, WEB_PREDICT_THREADS="4")
    stop = threading.Event()
    statuses = []

    def keep_predicting():
        while not stop.is_set():
            statuses.append(predict(service)[0])
            stop.wait(1)

    clients = [threading.Thread(target=keep_predicting) for _ in range(24)]
    for client in clients:
        client.start()
    time.sleep(1)
    took_s = []
    for number in range(10):
        began = time.perf_counter()
        service.annotate(number)
        took_s.append(time.perf_counter() - began)
    stop.set()
    for client in clients:
        client.join()
    print("longest webhook", max(took_s), "s")
    assert max(took_s) < 2.0  # one call of the model: no webhook waits for one
    assert set(statuses) == {200, 503}


def test_the_metrics_show_the_models_in_memory_once(start):
    text = start("Obedient").text("/metrics")
    assert text.count("# TYPE lsml_models_loaded gauge") == 1
    assert re.search(r"^lsml_models_loaded [12]\.0$", text, re.MULTILINE)


def test_a_prediction_that_hangs_is_recorded_and_the_next_one_is_answered(start):
    service = start("Obedient", PREDICT_TIMEOUT_S="2", PREDICT_WAIT_S="1")
    hanging = threading.Thread(target=_ignoring_errors, args=[service, "hang"])
    hanging.start()
    service.until(
        "SELECT 1 FROM audit_prediction WHERE outcome = 'error'"
        " AND error LIKE '%%did not answer within 2 s%%'"
    )
    until_answered(service)
    hanging.join()


def test_a_prediction_that_ends_its_process_gets_a_503_and_the_next_is_answered(start):
    service = start("Obedient")
    if service.placement == "process":
        status, answer = predict(service, "crash")
        assert (status, answer["code"]) == (503, "model_process_away")
    else:
        _ignoring_errors(service, "crash")
    assert set(until_answered(service)) <= {0, 503}


def test_a_bulk_prediction_passes_the_task_that_ends_the_model_process(start_service):
    service = start_service(
        MODEL_PLACEMENT="process", MODEL_CLASS="tests.models.serving.Obedient"
    )
    for number, text in enumerate(["hm", "crash", "hm", "hm"], start=1):
        task = {"id": number, "data": {"text": text}}
        service.annotate(number, task=task)
    service.until("SELECT 1 FROM dataset_task WHERE task_id = 4")
    with pytest.raises(subprocess.CalledProcessError):  # status 1: a task failed
        service.playground.run("manage.py", "predict", "--project", "1")
    ((state, failed),) = service.rows(
        "SELECT state, failed FROM inference_predictionjob"
    )
    assert (state, failed) == ("succeeded", 1)
    predicted = service.rows(
        "SELECT DISTINCT task_id FROM audit_prediction WHERE outcome = 'ok'"
    )
    assert sorted(predicted) == [(1,), (3,), (4,)]


def test_a_killed_model_process_costs_only_503s_and_no_row(start_service):
    service = start_service(MODEL_PLACEMENT="process")
    until_answered(service)
    answers, stop = [], threading.Event()

    def keep_predicting():
        while not stop.is_set():
            answers.append(predict(service))

    clients = [threading.Thread(target=keep_predicting) for _ in range(4)]
    for client in clients:
        client.start()
    for _ in range(3):
        time.sleep(1)
        (worker,) = service.playground.programs["model"].children()
        os.kill(worker, signal.SIGKILL)
        time.sleep(0.2)
        until_answered(service)
    stop.set()
    for client in clients:
        client.join()
    assert {status for status, _ in answers} <= {200, 503}
    answered = sum(status == 200 for status, _ in answers)
    ((rows,),) = service.rows("SELECT count(*) FROM audit_prediction")
    assert rows >= answered > 0


def _ignoring_errors(service, text):
    with suppress(OSError):  # its web process ended
        predict(service, text)
