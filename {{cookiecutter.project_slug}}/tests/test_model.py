"""The model learns, and its metrics are honest. No database, no network."""

import csv
import random
from pathlib import Path

import pytest

from label_studio_ml.training import Dataset, Run
from model import TextClassifier

EXAMPLE = Path(__file__).parents[1] / "example"
LABEL_CONFIG = (EXAMPLE / "label_config.xml").read_text()
TOPICS = ["Billing", "Delivery", "Technical"]


@pytest.fixture
def model():
    return TextClassifier(project_id="1", label_config=LABEL_CONFIG)


@pytest.fixture
def texts():
    """Return the example's (text, label) pairs."""
    with (EXAMPLE / "texts.csv").open(newline="") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


def task(at, text):
    return {"id": at, "data": {"text": text}}


def annotated(pairs):
    """Return annotated texts as the dataset that the service passes to `train`."""
    region = {"from_name": "topic", "to_name": "text", "type": "choices"}
    return Dataset(
        [
            task(at, text)
            | {"annotations": [{"result": [region | {"value": {"choices": [label]}}]}]}
            for at, (text, label) in enumerate(pairs)
        ],
        label_config=LABEL_CONFIG,
    )


def trained(model, pairs, folder):
    run = Run(artifacts=folder)
    model.train(annotated(pairs), run)
    model.load(run.artifacts)
    return run.metrics


def choices(model, texts):
    predictions = model.predict([task(at, text) for at, text in enumerate(texts)])
    return [each["result"][0]["value"]["choices"][0] for each in predictions]


def test_before_any_training_each_choice_is_equally_probable(model):
    [prediction] = model.predict([task(1, "Where is my parcel?")])

    [choice] = prediction["result"]
    assert choice["value"]["choices"][0] in TOPICS
    assert choice["score"] == pytest.approx(1 / 3)
    assert prediction["score"] == 0


@pytest.mark.parametrize("seed", range(5))
def test_it_learns_from_60_texts_to_classify_40_others(model, texts, tmp_path, seed):
    random.Random(seed).shuffle(texts)
    taught, unseen = texts[:60], texts[60:100]

    trained(model, taught, tmp_path)

    answers = choices(model, [text for text, _ in unseen])
    right = sum(
        answer == label for answer, (_, label) in zip(answers, unseen, strict=True)
    )
    assert right >= 32


def test_a_clear_text_has_a_higher_score_than_a_doubtful_one(model, tmp_path):
    pairs = [("invoice", "Billing"), ("parcel", "Delivery"), ("crash", "Technical")]
    trained(model, pairs * 3, tmp_path)

    clear, doubtful = model.predict([task(1, "invoice"), task(2, "invoice, parcel")])

    assert 1 >= clear["score"] > doubtful["score"] >= 0


def test_accuracy_is_measured_on_texts_it_has_not_seen(model, texts, tmp_path):
    labels_by_chance = [(text, TOPICS[at % 3]) for at, (text, _) in enumerate(texts)]
    random.Random(1).shuffle(texts)
    shuffled = [
        (text, label)
        for (text, _), (_, label) in zip(texts, labels_by_chance, strict=True)
    ]

    metrics = trained(model, shuffled, tmp_path)

    # Random labels cannot be learned. Measured on its own training texts, however, the
    # classifier would nearly always be right.
    assert metrics["accuracy"] < 0.5


def test_scores_per_label_and_the_confusion_matrix_are_reported(model, texts, tmp_path):
    metrics = trained(model, texts[:60], tmp_path)

    assert {f"f1/{topic}" for topic in TOPICS} <= set(metrics)
    cells = [metrics[name] for name in metrics if name.startswith("confusion/")]
    assert sum(cells) == metrics["measured_texts"] == 60


def test_with_one_label_it_learns_nothing_and_scores_stay_equal(model, tmp_path):
    metrics = trained(model, [("the invoice is too high", "Billing")], tmp_path)

    assert metrics == {}
    [prediction] = model.predict([task(1, "Where is my parcel?")])
    assert prediction["score"] == 0


def test_a_label_seen_once_is_learned_but_not_measured(model, tmp_path):
    pairs = [
        ("the invoice is too high", "Billing"),
        ("a second invoice came", "Billing"),
        ("the parcel is late", "Delivery"),
        ("no parcel came", "Delivery"),
        ("the app crashes", "Technical"),
    ]

    metrics = trained(model, pairs, tmp_path)

    assert metrics["measured_texts"] == 4
    assert choices(model, ["my app crashes"]) == ["Technical"]


def test_a_choice_removed_from_the_label_config_is_not_predicted(
    model, texts, tmp_path
):
    trained(model, texts[:60], tmp_path)

    model.use_label_config(LABEL_CONFIG.replace('<Choice value="Billing"/>', ""))

    assert "Billing" not in choices(model, [text for text, _ in texts])


def test_a_label_config_with_other_choices_gets_equal_scores(model, texts, tmp_path):
    trained(model, texts[:60], tmp_path)

    for topic in TOPICS:
        renamed = model.label_config.replace(f'"{topic}"', f'"{topic} 2"')
        model.use_label_config(renamed)

    [prediction] = model.predict([task(1, "Where is my parcel?")])
    assert prediction["score"] == 0


def test_a_task_without_text_gets_a_prediction(model, texts, tmp_path):
    trained(model, texts[:60], tmp_path)

    [prediction] = model.predict([{"id": 1, "data": {}}])

    assert prediction["result"][0]["value"]["choices"][0] in TOPICS


def test_each_text_is_judged_by_a_classifier_not_taught_it(model, texts, tmp_path):
    wrong = [(texts[0][0], "Delivery" if texts[0][1] != "Delivery" else "Billing")]
    run = Run(artifacts=tmp_path)

    model.train(annotated(wrong + texts[1:]), run)

    judged = run.probabilities["topic"]
    assert sorted(judged) == list(range(len(texts)))
    assert sum(judged[0].values()) == pytest.approx(1)
    assert judged[0][wrong[0][1]] < judged[0][texts[0][1]]
