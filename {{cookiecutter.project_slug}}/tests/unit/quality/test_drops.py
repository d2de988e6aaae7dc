"""The sequential test: has agreement dropped?"""

import json
from dataclasses import asdict, replace
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quality.drops import delays, false_alarms, known, recovery
from lsml.quality.statistics.sequential import REFERENCE_ANNOTATIONS, DropDetector

agreements = st.lists(st.floats(0, 1), max_size=200)
KNOWN = known(0.85)


def test_the_first_annotations_only_give_the_reference():
    state = DropDetector().update([0.0] * (REFERENCE_ANNOTATIONS // 2))

    assert (state.annotations, state.reference) == (REFERENCE_ANNOTATIONS // 2, 0)
    assert not state.dropped
    assert state.evidence == 0


def test_the_reference_is_the_mean_of_the_first_annotations():
    first = [1.0, 1.0, 1.0, 0.0] * (REFERENCE_ANNOTATIONS // 4)

    state = DropDetector().update([*first, 0.0])

    assert state.reference == pytest.approx(0.75)
    assert state.since == 1


def test_what_is_no_evidence_for_a_drop_improves_the_reference():
    state = DropDetector().update([0.8] * REFERENCE_ANNOTATIONS)

    better = state.update([0.9] * REFERENCE_ANNOTATIONS)
    dropping = better.update([0.0] * 3)

    assert better.reference == pytest.approx(0.85)
    assert dropping.evidence > 0
    assert dropping.reference == better.reference


def test_what_was_reported_as_a_drop_does_not_lower_the_reference():
    state = KNOWN.update([0.0] * 50)

    assert state.update([1.0] * 100).reference == pytest.approx(0.85)


@given(agreements, agreements)
def test_batches_give_the_same_as_all_at_once(first, second):
    start = replace(KNOWN, annotations=REFERENCE_ANNOTATIONS - 100)

    at_once = asdict(start.update(first + second))

    assert asdict(start.update(first).update(second)) == pytest.approx(at_once)


def test_the_state_survives_json():
    state = KNOWN.update([0.3] * 20)

    assert DropDetector(**json.loads(json.dumps(asdict(state)))) == state


def test_a_drop_says_since_when_and_to_which_level():
    state = KNOWN.update([1.0] * 50).update([0.5] * 100)

    assert state.dropped
    assert state.since == 100
    assert state.level == pytest.approx(0.5)


def test_a_drop_lasts_until_all_evidence_is_gone():
    state = KNOWN.update([0.0] * 50)

    recovering = state.update([1.0] * 20)
    recovered = state.update([1.0] * 100)

    assert recovering.dropped
    assert not recovered.dropped
    assert recovered.level is None


@pytest.mark.parametrize("reference", [0.0, 0.01, 0.1, 0.3, 0.85, 1.0])
def test_values_at_the_reference_are_never_a_drop(reference):
    state = known(reference).update([reference] * 5_000)

    assert not state.dropped


def test_no_agreement_at_all_is_a_drop_from_every_level():
    for reference in (0.1, 0.5, 1.0):
        state = known(reference).update([0.0] * 500)
        assert state.dropped


@pytest.mark.parametrize("reference", [0.05, 0.14, 0.2])
def test_half_of_a_low_level_is_a_drop(reference):
    state = known(reference).update([reference / 2] * 2_000)

    assert state.dropped


def test_drops_are_reported_soon_and_seldom_without_a_reason():
    any_week = range(1, 11)
    of_10_points = sorted(delays(0.85, 0.75, weeks=any_week, drops=300))

    assert median(of_10_points) <= 250
    assert of_10_points[270] <= 400
    assert median(delays(0.85, 0.65, weeks=any_week, drops=300)) <= 80
    assert false_alarms(0.85, versions=50) <= 1
    assert median(recovery(0.85, 0.75, drops=50)) <= 300
