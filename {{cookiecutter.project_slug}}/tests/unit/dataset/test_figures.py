"""What was measured is written one way everywhere."""

import pytest

from lsml.dataset.figures import interval, percent, points, points_interval


@pytest.mark.parametrize(
    ("share", "count", "text"),
    [
        (0.934, 0, "93 %"), (0.934, 99, "93 %"), (0.934, 100, "93.4 %"),
        (1.0, 43, "100 %"), (1.0, 400, "100.0 %"), (0.0, 43, "0 %"),
    ],
)  # fmt: skip
def test_a_share_has_a_decimal_from_100_observations_on(share, count, text):
    assert percent(share, count) == text


def test_an_interval_has_the_decimals_of_its_share():
    assert interval([0.931, 0.884, 0.972], 43) == "93 % (88–97 %)"
    assert interval([0.931, 0.884, 0.972], 400) == "93.1 % (88.4–97.2 %)"


def test_a_range_of_everything_says_that_nothing_can_be_told():
    assert interval([0.67, 0.0, 1.0], 3) == "67 % (too few to tell)"


@pytest.mark.parametrize(
    ("difference", "count", "text"),
    [
        (0.07, 0, "7 points"), (0.01, 0, "1 point"), (-0.01, 0, "-1 point"),
        (0.01, 100, "1.0 points"), (-0.035, 100, "-3.5 points"),
        (-0.001, 0, "0 points"), (-0.0001, 100, "0.0 points"),
    ],
)  # fmt: skip
def test_a_difference_is_in_points_with_an_ascii_minus(difference, count, text):
    assert points(difference, count) == text


def test_the_interval_of_a_difference_can_be_below_0():
    assert points_interval([0.07, -0.03, 0.26]) == "7 points (-3 to 26)"
