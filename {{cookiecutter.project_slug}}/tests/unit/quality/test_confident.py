"""Confident learning gives cleanlab's results."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as assume_given
from hypothesis import strategies as st

from lsml.quality.suspicious import confident

# See cleanlab_results.py.
CASES = json.loads(Path(__file__).with_name("cleanlab_results.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_quality_is_that_of_cleanlab(case):
    given, probabilities = np.array(case["given"]), np.array(case["probabilities"])
    found = confident.self_confidence(given, probabilities)
    assert found.tolist() == pytest.approx(case["quality"])


@pytest.mark.parametrize("case", CASES)
def test_issues_and_their_order_are_those_of_cleanlab(case):
    given, probabilities = np.array(case["given"]), np.array(case["probabilities"])
    issues = np.flatnonzero(confident.label_issues(given, probabilities))
    quality = confident.self_confidence(given, probabilities)
    assert issues[np.argsort(quality[issues])].tolist() == case["issues_worst_first"]


@st.composite
def predictions(draw):
    classes = draw(st.integers(2, 6))
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, classes - 1), st.floats(0, 1)),
            min_size=1,
            max_size=20,
        )
    )
    predicted, scores = zip(*rows, strict=True)
    return np.array(predicted), np.array(scores), classes


@assume_given(predictions())
def test_a_prediction_becomes_probabilities_with_its_class_in_front(case):
    predicted, scores, classes = case
    rows = confident.spread(predicted, scores, classes=classes)
    assert rows.shape == (len(predicted), classes)
    assert rows.min() >= 0
    assert rows.sum(axis=1) == pytest.approx(1)
    assert rows[np.arange(len(predicted)), predicted] == pytest.approx(rows.max(axis=1))


def test_the_score_is_the_probability_of_the_predicted_class():
    rows = confident.spread(np.array([1, 0]), np.array([0.7, 0.4]), classes=4)
    assert rows[0].tolist() == pytest.approx([0.1, 0.7, 0.1, 0.1])
    assert rows[1].tolist() == pytest.approx([0.4, 0.2, 0.2, 0.2])


def test_how_sure_the_model_usually_is_of_a_class_decides():
    # Class 0 is found with 0.9, class 1 with 0.6: 0.7 is confident for 1, not for 0.
    given = np.array([0, 0, 1, 1, 1, 0])
    rows = np.array([[0.9, 0.1]] * 2 + [[0.4, 0.6]] * 2 + [[0.7, 0.3], [0.3, 0.7]])
    assert confident.thresholds(given, rows).tolist() == pytest.approx([0.7, 0.5])
    assert confident.label_issues(given, rows).tolist() == [False] * 4 + [True, True]
    stricter = np.array([0, 0, 1, 1, 1])
    sure = np.array([[0.9, 0.1]] * 2 + [[0.4, 0.6]] * 2 + [[0.7, 0.3]])
    assert confident.label_issues(stricter, sure).tolist() == [False] * 5


def test_only_a_more_probable_class_contradicts():
    given = np.array([0, 1, 1])
    rows = np.array([[0.5, 0.5], [0.6, 0.4], [0.4, 0.6]])
    assert confident.contradicted(given, rows).tolist() == [False, True, False]


def test_a_class_that_nobody_chose_is_never_confident():
    given = np.array([0, 0])
    rows = np.array([[0.9, 0.1], [0.1, 0.9]])
    assert confident.thresholds(given, rows).tolist() == [0.5, np.inf]
    assert not confident.label_issues(given, rows).any()
