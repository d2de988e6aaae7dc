"""The test that decides whether a new version is rolled back."""

import math

import pytest

from benchmarks.quality.roll_backs import rolled_back_after
from lsml.quality.statistics.looks import (
    FORMER_MIN,
    LOOKS,
    Worse,
    worse_at_last_look,
)

GOOD, BAD = [1.0] * 9 + [0.0], [0.0, 1.0]
FORMER = GOOD * 20


@pytest.mark.parametrize("level", [0.5, 0.85, 0.98])
def test_at_most_one_in_a_hundred_equal_versions_is_found_worse(level):
    found = rolled_back_after(level, 0, versions=1_000)
    assert sum(map(math.isfinite, found)) <= 10 + 6  # and two standard errors


def test_a_version_worse_by_20_points_is_found_after_40_annotations_at_the_median():
    found = sorted(rolled_back_after(0.85, 20, versions=300))
    assert found[150] == 40
    assert math.isfinite(found[295])


def test_most_versions_worse_by_10_points_are_found():
    found = rolled_back_after(0.85, 10, versions=300)
    assert sum(map(math.isfinite, found)) >= 0.65 * len(found)


def test_it_looks_only_at_certain_numbers_of_annotations():
    bad = BAD * 200
    found = [worse_at_last_look(FORMER, bad[:n]) for n in range(len(bad))]
    looks = {each.annotations for each in found if each}
    assert looks <= set(LOOKS)
    assert found[79].annotations == 40
    assert found[80] == Worse(0.5, 80, pytest.approx(0.9), 200)


def test_what_comes_after_the_last_look_does_not_count():
    assert worse_at_last_look(FORMER, GOOD * 30 + BAD * 500) is None
    assert worse_at_last_look(FORMER, BAD * 150 + GOOD * 500).level == 0.5


def test_what_recovered_by_the_last_look_is_not_worse():
    assert worse_at_last_look(FORMER, BAD * 20)
    assert worse_at_last_look(FORMER, BAD * 20 + [1.0] * 260) is None


def test_without_enough_annotations_of_either_there_is_no_look():
    assert worse_at_last_look([1.0] * (FORMER_MIN - 1), [0.0] * 300) is None
    assert worse_at_last_look([1.0] * FORMER_MIN, [0.0] * 300)
    assert worse_at_last_look(FORMER, [0.0] * (LOOKS[0] - 1)) is None
    assert worse_at_last_look(FORMER, [0.0] * LOOKS[0])


def test_a_better_version_is_never_worse():
    assert worse_at_last_look(BAD * 200, [1.0] * 300) is None


def test_two_disagreements_of_20_are_no_proof_if_there_was_none_before():
    assert worse_at_last_look([1.0] * 500, [1.0] * 18 + [0.0] * 2) is None
    assert worse_at_last_look([1.0] * 500, [1.0] * 20) is None


def test_graded_agreement_is_told_apart_sooner_than_right_and_wrong():
    graded = worse_at_last_look([0.8, 0.9] * 100, [0.6, 0.7] * 10)
    assert graded.annotations == 20
    assert worse_at_last_look([1.0] * 17 + [0.0] * 3, [1.0] * 13 + [0.0] * 7) is None
