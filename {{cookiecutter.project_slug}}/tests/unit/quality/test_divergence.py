"""Samples differ if they are further apart than random splits of both together."""

import numpy as np
import pytest

from lsml.quality.statistics.divergence import of_names, of_numbers

RARELY = 0.001


def labels(first, second):
    return [{"A"}] * first + [{"B"}] * second


def test_equal_shares_have_no_divergence_and_other_labels_all_of_it():
    same = of_names(labels(60, 40), labels(120, 80), false_alarms=RARELY)
    assert same.value == pytest.approx(0)
    other = of_names(labels(50, 0), labels(0, 70), false_alarms=RARELY)
    assert other.value == pytest.approx(1)


def test_the_divergence_is_that_of_jensen_and_shannon():
    found = of_names(labels(30, 70), labels(60, 40), false_alarms=RARELY)
    p, q = np.array([0.3, 0.7]), np.array([0.6, 0.4])
    mean = (p + q) / 2
    expected = (p * np.log2(p / mean) + q * np.log2(q / mean)).sum() / 2
    assert found.value == pytest.approx(expected, rel=1e-4)


def test_the_fewer_tasks_the_higher_the_thresholds():
    few, many = (
        of_names(labels(n, n), labels(n, n), false_alarms=RARELY) for n in (30, 300)
    )
    assert few.opens > 5 * many.opens
    assert few.stays > 5 * many.stays
    assert many.stays < many.opens


def test_a_share_that_moved_by_fifteen_points_differs_on_500_tasks_not_on_50():
    reference = labels(500, 500)
    many = of_names(labels(325, 175), reference, false_alarms=RARELY)
    assert many.value > many.opens
    few = of_names(labels(33, 17), reference, false_alarms=RARELY)
    assert few.value < few.opens


def test_numbers_are_compared_however_they_are_spread():
    random = np.random.default_rng(1)
    lengths = random.lognormal(5, 1, 900)
    same = of_numbers(lengths[:300], lengths[300:], false_alarms=RARELY)
    assert same.value < same.opens
    longer = of_numbers(2 * lengths[:300], lengths[300:], false_alarms=RARELY)
    assert longer.value > longer.opens


@pytest.mark.parametrize("number", [0.0, 1.0])
def test_numbers_that_are_all_the_same_do_not_differ(number):
    found = of_numbers([number] * 50, [number] * 90, false_alarms=RARELY)
    assert found.value <= found.stays


def test_rare_words_that_differ_in_every_sample_are_no_difference():
    random = np.random.default_rng(2)
    texts = [{str(word) for word in random.integers(0, 10**6, 20)} for _ in range(300)]
    found = of_names(texts[:100], texts[100:], false_alarms=RARELY)
    assert found.value < found.opens


def test_words_that_are_new_differ():
    random = np.random.default_rng(3)
    texts = [{str(word) for word in random.integers(0, 200, 20)} for _ in range(300)]
    new = [words | {"refund", "iban"} for words in texts[:100]]
    found = of_names(new, texts[100:], false_alarms=RARELY)
    assert found.value > found.opens


def test_the_same_samples_give_the_same_thresholds():
    first, second = (
        of_names(labels(50, 60), labels(70, 30), false_alarms=RARELY) for _ in range(2)
    )
    assert first == second
