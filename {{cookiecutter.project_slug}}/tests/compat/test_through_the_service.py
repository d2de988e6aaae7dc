"""The same models as model.py, called as Label Studio calls them."""

import sys

import pytest

from lsml.audit.models import Prediction
from tests.compat import cases

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:The `dict` method"),  # label-studio-sdk's own
]

PROJECT = "7.1795433940"


@pytest.fixture
def ask(post):
    """POST /predict as Label Studio does, and return the results."""

    def predict(config, *data, context=None):
        tasks = [{"id": n, "data": each} for n, each in enumerate(data, start=1)]
        params = {"login": None, "password": None, "context": context}
        body = {"tasks": tasks, "project": PROJECT, "label_config": config}
        reply = post("/predict", body | {"params": params})
        assert reply.status_code == 200, reply.content
        return reply.json()["results"]

    return predict


@pytest.fixture
def set_up(post):
    """POST /setup as Label Studio does, and return the version."""

    def setup(config, **more):
        body = {"project": PROJECT, "schema": config, "hostname": "http://ls"} | more
        reply = post("/setup", body)
        assert reply.status_code == 200, reply.content
        return reply.json()["model_version"]

    return setup


def test_a_models_own_version_is_in_each_prediction_and_in_the_answer_of_setup(
    installed, set_up, ask
):
    installed("substring_matcher")
    set_up(cases.SPANS)
    marked = {"start": 0, "end": 3, "text": "Ann", "labels": ["Person"]}
    context = {"result": [{"from_name": "label", "value": marked}]}
    (prediction,) = ask(cases.SPANS, {"text": "Ann saw ann"}, context=context)
    assert prediction["model_version"] == "SubstringMatcher-v0.0.1"
    assert set_up(cases.SPANS) == "SubstringMatcher-v0.0.1"
    row = Prediction.objects.get()
    assert (row.kind, row.model_version) == ("interactive", "SubstringMatcher-v0.0.1")
    assert row.result == prediction["result"]


def test_a_response_without_predictions_gives_every_task_an_empty_list(installed, ask):
    installed("substring_matcher")
    assert ask(cases.SPANS, {"text": "Ann"}, {"text": "Bo"}) == [[], []]
    assert Prediction.objects.filter(outcome="empty").count() == 2


def test_the_text_classifier_predicts_in_a_batch(
    installed, ask, label_studio, tmp_path, monkeypatch
):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    installed("text_classifier")
    results = ask(cases.TEXT, {"text": "sport"}, {"text": "money"})
    choices = [each["result"][0]["value"]["choices"] for each in results]
    assert choices == [["Sport"], ["Money"]]
    assert [row.score for row in Prediction.objects.order_by("task_id")] == [
        each["score"] for each in results
    ]


def test_the_box_detector_fetches_the_image(installed, ask, label_studio):
    path = "/storage-data/uploaded/?filepath=upload/1/a.png"
    label_studio.answers[path] = cases.picture()
    installed("box_detector")
    (prediction,) = ask(cases.BOXES, {"image": "/data/upload/1/a.png"})
    (region,) = prediction["result"]
    assert region["value"]["rectanglelabels"] == ["Vehicle"]
    assert prediction["model_version"] == "0.0.1"


def test_the_brush_segmenter_answers_key_points(installed, ask, label_studio):
    path = "/storage-data/uploaded/?filepath=upload/1/a.png"
    label_studio.answers[path] = cases.picture()
    installed("brush_segmenter")
    context = {"result": [cases.point(15, 35, True)]}
    data = {"image": "/data/upload/1/a.png"}
    (prediction,) = ask(cases.BRUSH, data, context=context)
    assert prediction["result"][0]["value"]["format"] == "rle"
    assert Prediction.objects.get().context == context
    assert ask(cases.BRUSH, data) == [[]]


def test_a_model_without_batches_is_called_for_each_task(
    installed, ask, label_studio, tmp_path, monkeypatch
):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    installed("text_classifier")
    whole = sys.modules["model"].NewsClassifier.predict

    def first_only(self, tasks, context=None, **kwargs):
        return whole(self, tasks[:1], context, **kwargs)

    monkeypatch.setattr(sys.modules["model"].NewsClassifier, "predict", first_only)
    results = ask(cases.TEXT, {"text": "sport"}, {"text": "money"})
    choices = [each["result"][0]["value"]["choices"] for each in results]
    assert choices == [["Sport"], ["Money"]]
    assert Prediction.objects.count() == 2


def test_the_prompt_model_reads_the_connections_extra_params(installed, set_up, ask):
    installed("prompt_model")
    set_up(cases.PROMPT, extra_params={"loud": True})
    context = {"result": [{"from_name": "prompt", "value": {"text": ["Rate"]}}]}
    (prediction,) = ask(cases.PROMPT, {"text": "a great day"}, context=context)
    assert prediction["result"][1]["value"]["text"] == ["Rate"]
    assert ask(cases.PROMPT, {"text": "a great day"}) == [[]]


def test_the_series_segmenter_reads_the_csv_file_of_a_task(
    installed, ask, label_studio
):
    url = "/data/local-files/?d=series.csv"
    label_studio.answers[url] = cases.CSV
    installed("series_segmenter")
    (prediction,) = ask(cases.SERIES, {"csv": url})
    spans = [(r["value"]["start"], r["value"]["end"]) for r in prediction["result"]]
    assert spans == [(2, 3), (5, 5)]
