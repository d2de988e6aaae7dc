"""The models without the service, as in a notebook, with state in memory."""

import json

import pytest

from label_studio_ml.answer import Answer
from tests.compat import cases


def read(model, tasks, context=None):
    returned = model.predict(tasks, context=context, login=None, password=None)
    answer = Answer.read(returned, model_version=str(model.model_version))
    return answer.by_task(len(tasks))


def choice_of(prediction):
    return prediction["result"][0]["value"]["choices"]


@pytest.fixture
def classifier(drop_in, annotated, monkeypatch, tmp_path):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    return drop_in("text_classifier")


def test_the_text_classifier_predicts_and_retrains_from_the_api(classifier):
    model = classifier(project_id="1", label_config=cases.TEXT)
    task = {"id": 9, "data": {"text": "what a match"}}
    (before,) = read(model, [task])
    assert before[0]["model_version"] == "NewsClassifier-v0.0.1"

    metrics = model.fit("ANNOTATION_CREATED", {"project": {"id": 1}})

    again = classifier(project_id="1", label_config=cases.TEXT)
    (after,) = read(again, [task])
    assert metrics["texts"] == 3
    assert choice_of(after[0]) == ["Sport"]
    assert after[0]["score"] > before[0]["score"]


def test_the_text_classifier_skips_events_it_does_not_know(classifier, annotated):
    model = classifier(project_id="1", label_config=cases.TEXT)
    assert model.fit("ANNOTATIONS_DELETED", {"annotations": [{"id": 1}]}) is None
    assert annotated.requests == []


def test_the_substring_matcher_finds_other_occurrences(drop_in):
    model = drop_in("substring_matcher")(project_id="1", label_config=cases.SPANS)
    tasks = [{"id": 1, "data": {"text": "Ann saw Bo. Then ann left."}}]
    marked = {"start": 0, "end": 3, "text": "Ann", "labels": ["Person"]}
    context = {"result": [{"from_name": "label", "value": marked}]}
    ((prediction,),) = read(model, tasks, context)
    spans = [(r["value"]["start"], r["value"]["end"]) for r in prediction["result"]]
    assert spans == [(0, 3), (17, 20)]
    assert prediction["score"] == 0.75


@pytest.mark.parametrize("context", [None, {"result": []}], ids=repr)
def test_the_substring_matcher_predicts_nothing_without_a_mark(drop_in, context):
    model = drop_in("substring_matcher")(project_id="1", label_config=cases.SPANS)
    assert read(model, [{"id": 1, "data": {"text": "Ann"}}], context) == [[]]


def test_the_box_detector_names_boxes_by_the_label_map(drop_in, label_studio):
    path = "/storage-data/uploaded/?filepath=upload/1/a.png"
    label_studio.answers[path] = cases.picture()
    model = drop_in("box_detector")(project_id="1", label_config=cases.BOXES)
    assert model.label_map == {"car": "Vehicle", "truck": "Vehicle", "Boat": "Boat"}
    ((prediction,),) = read(
        model, [{"id": 1, "data": {"image": "/data/upload/1/a.png"}}]
    )
    (region,) = prediction["result"]
    assert region["value"] == {
        "rectanglelabels": ["Vehicle"],
        "x": 10.0,
        "y": 25.0,
        "width": 10.0,
        "height": 25.0,
    }
    assert json.dumps(prediction)
    assert (prediction["model_version"], prediction["score"]) == ("0.0.1", 1.0)


def test_the_brush_segmenter_fills_around_key_points(drop_in, label_studio):
    from label_studio_sdk.converter import brush  # takes two seconds, with SciPy

    path = "/storage-data/uploaded/?filepath=upload/1/a.png"
    label_studio.answers[path] = cases.picture()
    model = drop_in("brush_segmenter")(project_id="1", label_config=cases.BRUSH)
    task = {"id": 1, "data": {"image": "/data/upload/1/a.png"}}
    context = {"result": [cases.point(15, 35, True), cases.point(90, 90, False)]}
    ((prediction,),) = read(model, [task], context)
    region = prediction["result"][0]
    mask = brush.decode_rle(region["value"]["rle"]).reshape(80, 100, 4)[:, :, 3]
    assert (mask[30, 15], mask[0, 0], (mask > 0).sum()) == (255, 0, 200)
    assert region["value"]["brushlabels"] == ["Sky"]
    assert json.dumps(prediction)


def test_the_brush_segmenter_predicts_nothing_before_a_key_point(drop_in):
    model = drop_in("brush_segmenter")(project_id="1", label_config=cases.BRUSH)
    assert read(model, [{"id": 1, "data": {}}, {"id": 2, "data": {}}]) == [[], []]


@pytest.mark.filterwarnings("ignore:The `dict` method")  # label-studio-sdk's own
def test_the_prompt_model_stores_its_prompts_and_bumps_its_version(drop_in):
    model_class = drop_in("prompt_model")
    model = model_class(project_id="1", label_config=cases.PROMPT)
    tasks = [{"id": 1, "data": {"text": "a great day"}}]
    assert read(model, tasks) == [[]]

    def event(prompt):
        result = [{"from_name": "prompt", "value": {"text": [prompt]}}]
        return "ANNOTATION_CREATED", {"annotation": {"result": result}}

    assert model.fit(*event("Rate")) == {"model_version": "0.1.0"}
    assert model.fit(*event("Rate")) is None
    assert model.fit(*event("Judge")) == {"model_version": "0.2.0"}

    again = model_class(project_id="1", label_config=cases.PROMPT)
    assert json.loads(again.get("history")) == ["Rate", "Judge"]
    again.set_extra_params({"loud": False})
    ((prediction,),) = read(again, tasks)
    assert choice_of(prediction) == ["Positive"]
    assert prediction["result"][1]["value"]["text"] == ["Judge"]
    assert prediction["model_version"] == "0.2.0"


@pytest.mark.filterwarnings("ignore:The `dict` method")  # label-studio-sdk's own
def test_the_prompt_model_answers_a_prompt_just_typed(drop_in):
    model = drop_in("prompt_model")(project_id="1", label_config=cases.PROMPT)
    tasks = [{"id": 1, "data": {"text": "a bad day"}}]
    context = {"result": [{"from_name": "prompt", "value": {"text": ["Rate"]}}]}
    ((prediction,),) = read(model, tasks, context)
    assert choice_of(prediction) == ["Negative"]


def test_the_series_segmenter_learns_its_threshold_from_an_annotation(
    drop_in, label_studio
):
    url = "/data/local-files/?d=series.csv"
    label_studio.answers[url] = cases.CSV
    model_class = drop_in("series_segmenter")
    model = model_class(project_id="1", label_config=cases.SERIES)
    task = {"id": 1, "project": 1, "data": {"csv": url}}

    def spans():
        ((prediction,),) = read(model, [task])
        values = [region["value"] for region in prediction["result"]]
        return [(value["start"], value["end"]) for value in values]

    assert spans() == [(2, 3), (5, 5)]
    result = [{"value": {"start": 2, "end": 2, "timeserieslabels": ["High"]}}]
    data = {"annotation": {"result": result}, "task": task, "project": {"id": 1}}
    assert model.fit("ANNOTATION_CREATED", data) == {"threshold": 0.891}
    assert spans() == [(2, 2), (5, 5)]
    assert label_studio.paths.count(url) == 1  # fetched once, then from the cache


@pytest.mark.parametrize(
    "name",
    [
        "text_classifier",
        "substring_matcher",
        "brush_segmenter",
        "prompt_model",
        "series_segmenter",
    ],
)
def test_each_model_can_be_created_without_a_project(drop_in, name):
    assert drop_in(name)().get("model_version")
