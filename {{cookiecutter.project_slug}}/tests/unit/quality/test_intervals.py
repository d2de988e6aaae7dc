"""Intervals of means, precision, recall and F1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quality.coverage import cases, coverage_exactly, covered, failing
from lsml.dataset.measures import Counts
from lsml.quality.statistics.intervals import (
    f1,
    independent_difference,
    mean,
    mean_of_sums,
    precision,
    proportion,
    recall,
)

small = st.integers(0, 5)
counts = st.lists(st.builds(Counts, small, small, small))


def test_a_proportion_has_wilsons_interval():
    # Newcombe (1998), table I: 81 of 263 with the score method without correction.
    assert proportion(81, 263) == pytest.approx((0.3080, 0.2553, 0.3662), abs=1e-4)


def test_without_tasks_there_is_no_interval():
    assert proportion(0, 0) is None
    assert mean([]) is None
    assert recall([Counts(0, 3, 0)]) is None
    assert precision([Counts(0, 0, 3)]) is None
    assert f1([]) is None


def test_right_and_wrong_as_scores_are_a_proportion():
    scores = [1.0] * 7 + [0.0] * 3

    assert mean(scores) == pytest.approx(proportion(7, 10))


@given(st.lists(st.floats(0, 1), min_size=1))
def test_the_sums_of_scores_give_the_same_mean(scores):
    squares = sum(score**2 for score in scores)
    found = mean_of_sums(len(scores), sum(scores), squares)
    assert found == pytest.approx(mean(scores), abs=1e-6)


def test_all_right_is_not_certainty():
    found = mean([1.0] * 10)

    assert found.value == found.high == 1
    assert found.low == pytest.approx(proportion(10, 10).low)


def test_equal_scores_are_not_certainty():
    found = mean([0.8] * 5)

    assert found.low < 0.7
    assert found.high > 0.85


def test_equal_scores_near_1_do_not_exclude_a_rare_low_one():
    assert mean([0.995] * 30).low < 0.96


def test_scores_of_which_few_are_far_below_are_covered():
    def draw(random, tasks):
        return mean(random.beta(1.94, 0.06, tasks).tolist())

    assert covered(draw, 0.97, 50)[0] >= 0.93


SIMULATED = {f"{name}, {truth:g}": (draw, truth) for name, truth, draw in cases()}


@pytest.mark.parametrize("name", [name for name in SIMULATED if "are 0" in name])
@pytest.mark.parametrize("tasks", [50, 200])
def test_scores_of_which_few_are_0_are_covered_even_if_none_of_those_is_seen(
    name, tasks
):
    right, shown = covered(*SIMULATED[name], tasks)
    assert (right >= 0.93, shown) == (True, 1)


def test_scores_of_which_few_are_0_have_no_wider_interval_than_necessary():
    name = "scores: around 0.85, but 3 % are 0, 0.8245"
    right, _ = covered(*SIMULATED[name], 50, 10_000)
    assert right <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [10, 20, 50, 100, 300])
@pytest.mark.parametrize("good", [0.7, 0.93, 0.99])
@pytest.mark.parametrize("failed", [0.01, 0.02, 0.05, 0.15])
def test_whatever_share_of_scores_is_0_the_mean_is_covered(failed, good, tasks):
    right, _ = covered(failing(failed, good), (1 - failed) * good, tasks, 4_000)
    assert right >= 0.93


def test_a_figure_of_the_table_is_of_so_many_intervals_that_are_shown():
    calls = 0

    def every_tenth(random, tasks):
        nonlocal calls
        calls += 1
        return proportion(0 if calls % 20 else 5, 10) if calls % 10 == 0 else None

    assert covered(every_tenth, 0.5, 10, 100) == (0.5, 0.1)
    assert calls == 1_000


def test_a_figure_of_which_nearly_no_interval_is_shown_is_given_up():
    assert covered(lambda random, tasks: None, 0.5, 10, 100) == (0.0, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [name for name in SIMULATED if "of a label" in name or "answers differ" in name],
)
def test_labels_and_differences_have_an_interval_only_where_it_is_right_in_95_of_100(
    name,
):
    right, _ = covered(*SIMULATED[name], 200, 4_000)
    assert 0.93 <= right <= 0.97


@pytest.mark.parametrize("few", [[1.0], [0.5, 1.0, 1.0, 1.0]])
def test_of_fewer_than_five_tasks_nothing_can_be_told(few):
    assert mean(few)[1:] == (0, 1)
    assert mean_of_sums(len(few), sum(few), sum(x**2 for x in few))[1:] == (0, 1)
    assert proportion(1, len(few))[1:] == (0, 1)
    assert recall([Counts(1, 0, 0)] * 4 + [Counts(0, 1, 0)] * 9)[1:] == (0, 1)


def test_scores_that_vary_less_than_right_and_wrong_have_a_narrower_interval():
    scores = mean([0.7, 0.9] * 50)

    assert scores.high - scores.low < 0.5 * (
        proportion(80, 100).high - proportion(80, 100).low
    )


def test_regions_of_one_task_count_as_one_observation():
    together = recall([Counts(10, 0, 0)] * 8 + [Counts(0, 0, 10)] * 2)

    assert together == pytest.approx(proportion(8, 10))


def test_precision_recall_and_f1_are_those_of_all_tasks_together():
    tasks = [Counts(3, 1, 0), Counts(1, 1, 4), Counts(0, 0, 0)]

    assert precision(tasks).value == pytest.approx(4 / 6)
    assert recall(tasks).value == pytest.approx(4 / 8)
    assert f1(tasks).value == pytest.approx(8 / 14)


def test_tasks_without_the_label_change_nothing():
    tasks = [Counts(3, 1, 0), Counts(1, 1, 4)]

    assert f1([*tasks, *[Counts(0, 0, 0)] * 100]) == f1(tasks)


@given(counts)
def test_every_interval_contains_its_value_and_stays_between_0_and_1(tasks):
    for found in (precision(tasks), recall(tasks), f1(tasks)):
        if found:
            assert 0 <= found.low <= found.value + 1e-9
            assert found.value - 1e-9 <= found.high <= 1


@pytest.mark.parametrize("accuracy", [0.5, 0.85, 0.97])
@pytest.mark.parametrize("tasks", [50, 200, 1000])
def test_intervals_of_an_accuracy_contain_it_in_93_to_97_of_100_cases(accuracy, tasks):
    assert 0.93 <= coverage_exactly(accuracy, tasks) <= 0.97


def test_the_difference_of_two_groups_has_newcombes_interval():
    # Newcombe (1998), comparison of seven methods, table II: 56 of 70 and 48 of 80 with
    # method 10.
    found = independent_difference(proportion(56, 70), proportion(48, 80))

    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
