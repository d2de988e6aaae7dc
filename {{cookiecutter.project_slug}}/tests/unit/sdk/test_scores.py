"""Scores from class probabilities: 1 is certain, 0 undecided."""

from statistics import mean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml.scores import entropy, least_confidence, margin, task_score

MEASURES = [margin, least_confidence, entropy]
weights = st.lists(st.floats(0, 1e6), min_size=1, max_size=20)


@pytest.mark.parametrize("measure", MEASURES)
@given(weights=weights)
def test_every_score_is_from_0_to_1(measure, weights):
    assert 0 <= measure(weights) <= 1


@pytest.mark.parametrize("measure", MEASURES)
def test_one_sure_class_scores_1(measure):
    assert measure([0.0, 1.0, 0.0]) == 1
    assert measure([1.0]) == 1


@pytest.mark.parametrize("measure", MEASURES)
def test_a_sharper_distribution_scores_higher(measure):
    rising = [[0.34, 0.33, 0.33], [0.5, 0.3, 0.2], [0.7, 0.2, 0.1], [0.98, 0.01, 0.01]]
    scores = [measure(row) for row in rising]
    assert scores == sorted(set(scores))


def test_equal_probabilities_score_lowest():
    equal = [0.25] * 4
    assert margin(equal) == 0
    assert entropy(equal) == pytest.approx(0)
    assert least_confidence(equal) == 0.25


def test_the_margin_is_the_lead_over_the_next_class():
    assert margin([0.2, 0.5, 0.3]) == pytest.approx(0.2)


def test_entropy_sees_classes_that_the_margin_does_not():
    two_left, all_left = [0.4, 0.4, 0.2, 0.0], [0.4, 0.4, 0.1, 0.1]
    assert margin(two_left) == margin(all_left) == 0
    assert entropy(two_left) > entropy(all_left)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_arrays_are_measured_as_lists_are(measure, dtype):
    array = np.array([0.5, 0.25, 0.25], dtype)
    assert measure(array) == measure(array.tolist())
    assert type(measure(array)) is float


@pytest.mark.parametrize("measure", MEASURES)
def test_votes_count_as_their_shares(measure):
    assert measure([6, 3, 1]) == pytest.approx(measure([0.6, 0.3, 0.1]))


def test_a_task_is_as_certain_as_its_least_certain_region():
    regions = np.array([[0.9, 0.1], [0.6, 0.4], [1.0, 0.0]])
    assert task_score(regions) == pytest.approx(0.2)
    assert task_score(regions, least_confidence) == pytest.approx(0.6)
    assert task_score(regions, combine=mean) == pytest.approx((0.8 + 0.2 + 1) / 3)


def test_a_task_without_regions_has_no_score():
    assert task_score([]) is None


@pytest.mark.parametrize("wrong", [[], [1.5, -0.5], [float("nan"), 1], [float("inf")]])
@pytest.mark.parametrize("measure", MEASURES)
def test_what_cannot_be_probabilities_is_refused(measure, wrong):
    with pytest.raises(ValueError, match="not class probabilities"):
        measure(wrong)
