"""Agreement is expected of predictions by what similar scores reached."""

import pytest

from lsml.quality.statistics.calibration import Bin
from lsml.quality.statistics.expected import expected_agreement

LOW, HIGH = Bin(0.3, 0.4, 100, 0.35, 0.5), Bin(0.9, 1.0, 400, 0.95, 0.9)


def test_it_is_the_mean_of_what_similar_scores_reached():
    found = expected_agreement([LOW, HIGH], [0.31, 0.39, 0.9, 1.0])
    assert found.agreement.value == pytest.approx(0.7)
    assert found.predictions == 4


def test_predictions_with_other_scores_are_left_out():
    few = Bin(0.5, 0.6, 9, 0.55, 0.0)
    found = expected_agreement([LOW, few, HIGH], [0.35, 0.55, 0.7, 0.95])
    assert found.predictions == 2
    assert found.agreement.value == pytest.approx(0.7)


def test_nothing_is_expected_of_scores_that_nobody_annotated():
    assert expected_agreement([LOW], [0.95]) is None
    assert expected_agreement([], [0.95]) is None
    assert expected_agreement([HIGH], []) is None


@pytest.mark.parametrize("correct", [0.0, 0.9, 1.0])
def test_the_range_is_wider_with_fewer_annotations_or_predictions(correct):
    def width(annotations, predictions):
        table = [Bin(0.9, 1.0, annotations, 0.95, correct)]
        found = expected_agreement(table, [0.95] * predictions).agreement
        assert 0 <= found.low <= found.value <= found.high <= 1
        return found.high - found.low

    assert width(20, 500) > width(200, 500) > width(2_000, 500) > 0
    assert width(200, 20) > width(200, 500)
