"""Two versions on the same tasks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsml.quality.statistics.paired import change, difference

scores = st.floats(-1, 1)


def test_no_difference_on_few_tasks_is_not_certainty():
    found = difference([0.0] * 5)

    assert found.value == 0
    assert found.low < -0.25
    assert found.high > 0.25


def test_no_difference_on_many_tasks_is_nearly_certainty():
    assert difference([0.0] * 1000).low > -0.003


def test_nothing_is_known_without_tasks():
    assert difference([]) == (0, -1, 1)


def test_versions_that_mostly_agree_are_compared_more_precisely():
    agreeing = difference([1.0] * 5 + [-1.0] * 5 + [0.0] * 90)
    different = difference([1.0] * 50 + [-1.0] * 50)

    assert agreeing.high < different.high / 2


def test_a_lower_level_gives_a_narrower_interval():
    differences = [1.0, 0.0, -1.0, 0.5] * 10

    assert difference(differences, 0.6).low > difference(differences, 0.95).low


@given(st.lists(scores, min_size=1))
def test_exchanging_the_versions_mirrors_the_interval(differences):
    found, mirrored = difference(differences), difference([-d for d in differences])

    assert (found.low, found.high) == pytest.approx((-mirrored.high, -mirrored.low))


def recalls(lost, gained, kept, missed):
    """Parts and wholes of tasks with one annotated region each."""
    before = [1] * lost + [0] * gained + [1] * kept + [0] * missed
    after = [0] * lost + [1] * gained + [1] * kept + [0] * missed
    return [(part, 1) for part in before], [(part, 1) for part in after]


@pytest.mark.parametrize(
    ("lost", "gained", "exact"),  # the sign test, by the binomial distribution
    [(4, 0, 0.0625), (8, 0, 0.0039), (9, 1, 0.0107), (15, 5, 0.0207), (5, 5, 0.62)],
)
def test_a_fall_is_as_improbable_as_the_exact_sign_test_finds_it(lost, gained, exact):
    found = change(*recalls(lost, gained, 20, 5))

    assert found.p == pytest.approx(exact, rel=0.5)
    assert found.before == (lost + 20) / (lost + gained + 25)
    assert found.after == (gained + 20) / (lost + gained + 25)


def test_what_did_not_change_is_no_fall():
    assert change(*recalls(0, 0, 20, 5)).p == 0.5


def test_a_rise_is_no_fall():
    assert change(*recalls(0, 8, 20, 5)).p > 0.99


def test_a_precision_falls_with_more_wrong_predictions():
    before = [(1, 1)] * 20 + [(0, 0)] * 20
    after = [(1, 1)] * 20 + [(0, 1)] * 20

    found = change(before, after)

    assert (found.before, found.after) == (1, 0.5)
    assert found.p < 0.001


def test_a_precision_without_predictions_cannot_be_compared():
    assert change([(1, 1)], [(0, 0)]) is None
