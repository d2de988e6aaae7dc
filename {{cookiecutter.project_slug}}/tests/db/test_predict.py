"""POST /predict: what Label Studio reads, and the rows that were committed before."""

import threading

import orjson
import pytest
from django.db import connection, connections

from lsml.audit.models import Prediction
from tests.db.conftest import CONFIG, order, recorded
from tests.models.scripted import SlowModel

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("placement")]


def region(choice="Positive"):
    return {
        "from_name": "sentiment",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": [choice]},
    }


def test_what_label_studio_really_sends_is_answered_and_recorded(post, constant):
    body = recorded("predict/batch")
    reply = post("/predict", body)
    assert reply.status_code == 200
    assert len(reply.json()["results"]) == len(body["tasks"])
    rows = Prediction.objects.order_by("pk")
    assert [row.task_id for row in rows] == [task["id"] for task in body["tasks"]]
    assert {row.request_id for row in rows} == {reply["X-Request-ID"]}


def test_every_prediction_carries_the_version_that_setup_returned(post, scripted):
    scripted.answer = [{"result": [region()], "model_version": "my own idea"}]
    version = post("/setup", {"project": "1.1795433940", "schema": CONFIG}).json()
    reply = post("/predict", order(1))
    assert reply.json()["results"][0]["model_version"] == version["model_version"]
    assert Prediction.objects.get().model_version == version["model_version"]


@pytest.mark.parametrize("nothing", [None, [], {"predictions": []}])
def test_a_model_that_predicts_nothing_gives_an_empty_list_per_task(
    post, scripted, nothing
):
    scripted.answer = nothing
    assert post("/predict", order(3)).json()["results"] == [[], [], []]
    assert list(Prediction.objects.values_list("outcome", flat=True)) == ["empty"] * 3


def test_a_task_without_a_prediction_keeps_its_place(post, scripted):
    scripted.answer = [{"result": [region()]}, {}, {"result": [region("Negative")]}]
    results = post("/predict", order(3)).json()["results"]
    assert results[1] == []
    assert results[2]["result"] == [region("Negative")]


def test_several_predictions_for_one_task_are_all_sent_and_recorded(post, scripted):
    scripted.answer = [[{"result": [region()]}, {"result": [region("Negative")]}]]
    (both,) = post("/predict", order(1)).json()["results"]
    assert [each["result"] for each in both] == [[region()], [region("Negative")]]
    assert Prediction.objects.filter(task_id=1).count() == 2


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ([{"result": []}] * 3, "predict() returned 3 predictions for 2 tasks"),
        (
            [{"result": []}, {"result": [], "score": "high"}],
            "score 'high' for task 2 (number 2)",
        ),
        ([{"result": {}}, {"result": []}], "`result` of type dict for task 1"),
        ([{"result": ["x"]}, {"result": []}], "region that is not a JSON object"),
        (7, "predict() returned int"),
    ],
)
def test_an_answer_that_cannot_be_sent_names_what_is_wrong(
    post, scripted, answer, sentence
):
    scripted.answer = answer
    reply = post("/predict", order(2))
    assert reply.status_code == 500
    assert reply.json()["code"] == "model_error"
    assert sentence in reply.json()["detail"]
    rows = Prediction.objects.all()
    assert [(row.outcome, sentence in row.error) for row in rows] == [
        ("error", True)
    ] * 2


def test_a_model_that_raises_gives_a_sentence_a_request_id_and_no_traceback(
    post, scripted
):
    scripted.answer = RuntimeError("no GPU, password=hunter2")
    reply = post("/predict", order(1))
    assert reply.status_code == 500
    assert reply.json()["detail"].startswith("predict() raised RuntimeError: no GPU")
    assert reply.json()["request_id"] == reply["X-Request-ID"]
    assert "Traceback" not in reply.content.decode()
    assert "hunter2" not in reply.content.decode() + Prediction.objects.get().error


def test_the_context_reaches_the_model_whole_and_the_row_says_interactive(
    post, scripted
):
    body = recorded("predict/interactive")
    scripted.answer = [{"result": []}]
    post("/predict", body)
    assert scripted.calls[0]["context"] == body["params"]["context"]
    row = Prediction.objects.get()
    assert (row.kind, row.context) == ("interactive", body["params"]["context"])


def test_a_batch_of_many_tasks_takes_as_many_queries_as_one(
    post, constant, django_assert_num_queries
):
    post("/predict", order(1))  # creates the project and loads the model
    post("/predict", order(1))  # reads what is served
    for count in (1, 500):
        with django_assert_num_queries(1):
            post("/predict", order(count))


def test_a_body_over_djangos_default_limit_is_served(post, constant):
    body = order(5000)
    for task in body["tasks"]:
        task["data"]["text"] *= 80
    assert len(post("/predict", body).json()["results"]) == 5000


def test_a_body_over_our_limit_gets_a_413(post, constant, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    reply = post("/predict", order(50))
    assert (reply.status_code, reply.json()["code"]) == (413, "too_large")


def test_null_characters_in_a_result_do_not_cost_the_prediction(post, scripted):
    scripted.answer = [{"result": [{"value": {"text": ["a\x00b"]}}]}]
    reply = post("/predict", order(1))
    assert reply.json()["results"][0]["result"][0]["value"] == {"text": ["a\ufffdb"]}


def test_inputs_are_kept_only_where_asked_for(post, constant, settings):
    post("/predict", order(1))
    settings.AUDIT_INPUTS = "full"
    post("/predict", order(1))
    digest, full = Prediction.objects.order_by("pk")
    assert (digest.input, full.input) == (None, {"text": "text 1"})
    assert digest.input_digest == full.input_digest


@pytest.mark.parametrize("depth", range(190, 202))
def test_task_data_is_kept_or_refused_however_deep_it_is_nested(
    post, constant, settings, depth
):
    settings.AUDIT_INPUTS = "full"
    body = order(1)
    body["tasks"][0]["data"] = {"text": orjson.loads("[" * depth + "]" * depth)}
    reply = post("/predict", body)
    kept = Prediction.objects.filter(input=body["tasks"][0]["data"]).count()
    assert (reply.status_code, kept) in {(200, 1), (400, 0)}, reply.content


def test_a_model_is_created_once_for_many_requests(post, scripted):
    scripted.answer = [{"result": []}]
    for _ in range(3):
        post("/predict", order(1))
    assert scripted.made == 1


def test_a_version_named_in_setup_is_served_without_loading_twice(post, serve):
    serve("tests.models.scripted.NamedModel")
    from tests.models.scripted import NamedModel

    NamedModel.made = 0
    names = [
        post("/predict", order(1)).json()["results"][0]["model_version"]
        for _ in range(2)
    ]
    assert names == ["my-model-1", "my-model-1"]
    assert NamedModel.made == 1
    assert post("/setup", {"project": "1.1795433940", "schema": CONFIG}).json() == {
        "model_version": "my-model-1"
    }


@pytest.mark.django_db(transaction=True)
def test_a_busy_model_answers_503_with_retry_after(post, serve, settings):
    settings.PREDICT_WAIT_S = 0.2
    serve("tests.models.scripted.SlowModel")
    SlowModel.hold()

    def first_request():
        post("/predict", order(1))
        connections.close_all()

    first = threading.Thread(target=first_request)
    first.start()
    SlowModel.inside.acquire(timeout=5)
    reply = post("/predict", order(1))
    SlowModel.go_on.set()
    first.join()
    assert (reply.status_code, reply.json()["code"]) == (503, "model_busy")
    assert int(reply["Retry-After"]) >= 1
    assert Prediction.objects.count() == 1  # only the one that was tried


@pytest.mark.django_db(transaction=True)
def test_no_prediction_leaves_without_its_row(post, constant):
    post("/predict", order(1))
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '300ms'")
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE audit_prediction")
        reply = post("/predict", order(1))
    finally:
        other.close()
        connection.close()  # with its time-out
    assert (reply.status_code, reply.json()["code"]) == (503, "database_away")
    assert "results" not in reply.json()
    assert Prediction.objects.count() == 1
