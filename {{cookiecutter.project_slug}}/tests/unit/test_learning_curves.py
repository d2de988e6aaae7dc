"""The arithmetic of `make bench-curves`, on made-up curves and a few texts."""

import numpy as np
import pytest

from benchmarks.labelling import annotator
from benchmarks.labelling.annotator import STRATEGIES, Project, learning_curve
from benchmarks.labelling.report import (
    Result,
    accuracy_at,
    as_csv,
    average,
    labels_needed,
    table,
)
from benchmarks.text_sets import Part, TextSet
from model import new_classifier

CURVE = [(40, 0.5), (60, 0.7), (80, 0.6), (100, 0.8)]


@pytest.mark.parametrize(
    ("accuracy", "labels"),
    [(0.4, 40), (0.5, 40), (0.6, 50), (0.7, 60), (0.75, 95), (0.8, 100), (0.81, None)],
)
def test_labels_needed_is_where_the_curve_first_reaches_the_accuracy(accuracy, labels):
    assert labels_needed(CURVE, accuracy) == pytest.approx(labels)


def test_the_accuracy_between_two_trainings_is_interpolated():
    assert accuracy_at(CURVE, 95) == pytest.approx(0.75)


def test_the_average_is_taken_after_each_training():
    assert average([[(1, 0.2), (2, 0.4)], [(1, 0.4), (2, 0.8)]]) == [
        (1, pytest.approx(0.3)),
        (2, pytest.approx(0.6)),
    ]


def test_the_table_compares_with_random_and_gives_the_range_of_the_seeds():
    result = Result(
        "made up",
        {
            "random": [[(100, 0.0), (200, 0.4)], [(100, 0.0), (200, 0.6)]],
            "uncertainty": [[(100, 0.0), (200, 1.0)], [(100, 0.2), (200, 0.8)]],
            "diverse": [[(100, 0.0), (200, 0.1)], [(100, 0.0), (200, 0.2)]],
        },
    )
    assert table([result]).splitlines()[-1] == (
        "| made up | 50.0% | 200 (183–over 200), **100%** | 150 (150–150), **75%** |"
        " over 200 (over 200–over 200) |"
    )


def test_the_csv_has_a_line_for_each_training():
    result = Result("made up", {"random": [[(40, 0.5)], [(40, 0.25)]]})
    assert as_csv([result]).splitlines() == [
        "data set,strategy,seed,labels,accuracy",
        "made up,random,1,40,0.5000",
        "made up,random,2,40,0.2500",
    ]


@pytest.fixture
def data():
    """Return texts of three labels, of which some words appear only in a few."""
    words = {"fruit": "apple pear", "animal": "horse cat", "tool": "saw hammer"}
    pairs = [(f"{word} {n} {word[:2]}{n}", label) for label, both in words.items()
             for word in both.split() for n in range(20)]  # fmt: skip
    texts, labels = map(list, zip(*pairs, strict=True))
    return TextSet("words", Part(texts, labels), Part(texts[::7], labels[::7]))


def test_a_project_trains_what_the_starter_would_train(data):
    project = Project(data)
    pool = data.train.sample(annotator.POOL, annotator._DRAW)
    test = data.test.sample(annotator.TEST, annotator._DRAW)
    labelled = [5, 80, 33, 61, 7, 110]
    chosen = [pool.texts[at] for at in labelled], [pool.labels[at] for at in labelled]
    starter = new_classifier().fit(*chosen)

    probabilities, accuracy = project.train(labelled)

    assert np.allclose(probabilities, starter.predict_proba(pool.texts))
    assert accuracy == pytest.approx(starter.score(test.texts, test.labels))


def test_strategies_start_with_the_same_labels_and_spend_the_same_budget(
    data, monkeypatch
):
    monkeypatch.setattr(annotator, "START", 6)
    monkeypatch.setattr(annotator, "BATCH", 3)
    monkeypatch.setattr(annotator, "BUDGET", 12)
    project = Project(data)
    curves = [learning_curve(project, strategy, seed=1) for strategy in STRATEGIES]
    assert len({curve[0] for curve in curves}) == 1
    assert [[labels for labels, _ in curve] for curve in curves] == [[6, 9, 12]] * 3
