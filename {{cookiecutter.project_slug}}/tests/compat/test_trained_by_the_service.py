"""`fit` of the same models, in the training process; `predict` in the web process."""

import pytest

from lsml.registry.services import promote
from tests.compat import cases
from tests.db.training.conftest import (  # noqa: F401 - fixtures
    ORIGIN,
    forked_trainings,
    notifications,
    studio,
    worker,
)

pytestmark = pytest.mark.filterwarnings("ignore:The `dict` method")  # SDK's own

STAMPED = "7.1795433940"  # of the project the `studio` fixture sends events of


@pytest.fixture
def running(serve, worker, forked_trainings, monkeypatch):  # noqa: F811
    """Serve and train one of the models."""
    monkeypatch.delenv("MODEL_DIR", raising=False)

    def run(path):
        worker.serve("")
        monkeypatch.setenv("MODEL_CLASS", f"tests.compat.models.{path}")
        serve(f"tests.compat.models.{path}")
        return worker

    return run


@pytest.fixture
def predict(post):
    """POST /predict for one task, and return its prediction or None."""

    def ask(config, data):
        tasks = [{"id": 1, "project": 7, "data": data}]
        body = {"tasks": tasks, "project": STAMPED, "label_config": config}
        reply = post("/predict", body)
        assert reply.status_code == 200, reply.content
        (result,) = reply.json()["results"]
        return result or None

    return ask


@pytest.fixture
def fitted(studio):  # noqa: F811
    """Send an annotation, train on it, and return the run."""

    def fit(worker, number, regions, data=None, **more):  # noqa: F811
        task = {"id": 1000 + number, "data": data or {"text": f"text {number}"}}
        annotation = studio.annotation(number, **more) | {"result": regions}
        studio.send("ANNOTATION_CREATED", annotation=annotation, task=task)
        run = worker.train()
        assert (run.state, run.error) == ("succeeded", "")
        return run

    return fit


def topic(name):
    value = {"choices": [name]}
    return {"from_name": "topic", "to_name": "text", "type": "choices", "value": value}


@pytest.mark.slow
def test_files_and_globals_that_fit_wrote_are_served_and_rolled_back(
    running, predict, fitted, annotated
):
    worker = running("text_classifier.NewsClassifier")  # noqa: F811
    text = {"text": "what a match"}
    before = predict(cases.TEXT, text)
    assert before["model_version"] == "NewsClassifier-v0.0.1"

    run = fitted(worker, 1, [topic("Sport")])

    assert run.version.metrics == {"texts": 3}
    assert run.version.artifact_key
    after = predict(cases.TEXT, text)
    assert after["model_version"] == "NewsClassifier-3"
    assert after["result"][0]["value"] == {"choices": ["Sport"]}
    assert after["score"] > before["score"]

    more = {"id": 5, "data": {"text": "what a match"}, "annotations": []}
    more["annotations"] = [{"result": [topic("Money")]}] * 9
    annotated.answers["/api/tasks"]["tasks"] += [more, more | {"id": 6}]
    fitted(worker, 2, [topic("Money")])
    last = predict(cases.TEXT, text)
    assert last["result"][0]["value"] == {"choices": ["Money"]}

    promote(
        project=run.version.project,
        version=run.version,
        actor="test",
        reason="the newer one is wrong",
        origin=ORIGIN,
    )
    assert predict(cases.TEXT, text) == after


@pytest.mark.slow
def test_the_web_process_sees_the_state_that_fit_set(running, predict, fitted):
    worker = running("prompt_model.PromptModel")  # noqa: F811
    text = {"text": "a great day"}
    assert predict(cases.PROMPT, text) is None
    for number, prompt in enumerate(["Rate", "Judge"], start=1):
        region = {"from_name": "prompt", "value": {"text": [prompt]}}
        run = fitted(worker, number, [region])
    assert run.version.version == "0.2.0"
    prediction = predict(cases.PROMPT, text)
    assert prediction["model_version"] == "0.2.0"
    assert prediction["result"][1]["value"]["text"] == ["Judge"]


def test_a_model_has_a_model_dir_before_and_after_training(
    running, predict, fitted, settings, tmp_path
):
    worker = running("folder_segmenter.FolderSegmenter")  # noqa: F811

    def said():
        return predict(cases.PROMPT, {"text": "a"})["result"][0]["value"]["text"]

    assert said() == ["untrained"]
    (folder,) = (tmp_path / "model-dir").iterdir()
    assert list(folder.iterdir()) == []
    run = fitted(worker, 1, [], project=7)
    assert run.version.artifact_key
    assert said() == ["annotation 1"]
    assert list(folder.iterdir()) == []


def test_a_fit_that_fails_on_start_training_still_learns_the_annotations(
    running,
    predict,
    studio,  # noqa: F811
):
    worker = running("folder_segmenter.FolderSegmenter")  # noqa: F811
    for number in range(1, 11):
        annotation = studio.annotation(number, project=7)
        studio.send("ANNOTATION_CREATED", annotation=annotation, task={"id": number})
    studio.send("START_TRAINING")
    run = worker.train()
    assert (run.state, run.error) == ("succeeded", "")
    assert run.message == "1 of 11 events failed in fit()."
    assert predict(cases.PROMPT, {"text": "a"})["result"][0]["value"]["text"] == [
        "annotation 10"
    ]
    (failed,) = run.events.set_aside()
    assert (failed.action, failed.error) == ("START_TRAINING", "KeyError: 'annotation'")


def test_a_series_model_learns_its_threshold_from_an_event(
    running, predict, fitted, label_studio
):
    url = "/data/local-files/?d=series.csv"
    label_studio.answers[url] = cases.CSV
    worker = running("series_segmenter.SeriesSegmenter")  # noqa: F811

    def spans():
        values = [r["value"] for r in predict(cases.SERIES, {"csv": url})["result"]]
        return [(value["start"], value["end"]) for value in values]

    assert spans() == [(2, 3), (5, 5)]
    region = {"value": {"start": 2, "end": 2, "timeserieslabels": ["High"]}}
    run = fitted(worker, 1, [region], data={"csv": url})
    assert run.version.metrics == {"threshold": 0.891}
    assert spans() == [(2, 2), (5, 5)]
