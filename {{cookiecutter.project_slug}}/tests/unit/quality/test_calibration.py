"""Whether scores are as certain as they say."""

import pytest

from lsml.quality.statistics.calibration import expected_calibration_error, reliability


def test_answers_are_grouped_by_score():
    table = reliability([(0.05, 0), (0.92, 1), (0.98, 1), (0.96, 0)])

    assert [(row.low, row.high, row.answers) for row in table] == [
        (0.0, 0.1, 1),
        (0.9, 1.0, 3),
    ]
    assert table[1].score == pytest.approx(0.9533, abs=1e-4)
    assert table[1].correct == pytest.approx(2 / 3)


def test_the_highest_score_is_in_the_last_group():
    assert reliability([(1.0, 1)])[0].low == 0.9


def test_scores_that_are_right_as_often_as_they_say_have_no_error():
    answers = [(0.75, right) for right in (1, 1, 1, 0)]

    assert expected_calibration_error(reliability(answers)) == pytest.approx(0)


def test_the_error_is_the_mean_distance_weighted_by_answers():
    answers = [(0.95, 0)] * 1 + [(0.55, 1)] * 3

    error = expected_calibration_error(reliability(answers))

    assert error == pytest.approx((0.95 + 3 * 0.45) / 4)


def test_without_answers_there_is_no_error():
    assert expected_calibration_error(reliability([])) is None
