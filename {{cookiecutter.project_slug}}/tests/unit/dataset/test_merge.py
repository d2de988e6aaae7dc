"""The merge rule gives the same state whatever order states arrive in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsml.dataset.merge import is_newer, merge
from lsml.labelstudio.task_json import AnnotationState, TaskState

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BORN = NOON - timedelta(hours=1)

_TIMES = st.integers(0, 3).map(lambda minutes: NOON + timedelta(minutes=minutes))


def tasks(born=None):
    """States of one task; few values, so that equal times are common."""
    return st.builds(
        TaskState,
        task_id=st.just(1),
        data=st.sampled_from([{}, {"text": "a"}, {"text": "b"}]),
        meta=st.sampled_from([{}, {"m": 1}]),
        created_at=st.just(born) if born else st.sampled_from([None, BORN]),
        updated_at=_TIMES,
        deleted_at=st.none() | _TIMES,
    )


def annotations():
    """States of one annotation."""
    return st.builds(
        AnnotationState,
        annotation_id=st.just(1),
        task_id=st.sampled_from([None, 1]),
        result=st.sampled_from([[], [{"value": {"choices": ["A"]}}]]),
        was_cancelled=st.booleans(),
        ground_truth=st.booleans(),
        completed_by=st.sampled_from([None, 4]),
        lead_time=st.sampled_from([None, 2.5]),
        parent_prediction=st.none(),
        created_at=st.sampled_from([None, BORN]),
        updated_at=_TIMES,
        deleted_at=st.none() | _TIMES,
    )


_PAIRS = st.tuples(tasks(), tasks()) | st.tuples(annotations(), annotations())
_TRIPLES = st.tuples(tasks(), tasks(), tasks()) | st.tuples(
    annotations(), annotations(), annotations()
)


@given(tasks() | annotations())
def test_merging_a_state_with_itself_changes_nothing(state):
    assert merge(state, state) == state


@given(_PAIRS)
def test_the_two_sides_may_be_swapped(pair):
    a, b = pair
    assert merge(a, b) == merge(b, a)


@given(_TRIPLES)
def test_states_may_be_merged_in_any_grouping(triple):
    a, b, c = triple
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(st.data())
def test_neither_order_nor_repetition_matters(data):
    kind = data.draw(st.sampled_from([tasks(), annotations()]))
    states = data.draw(st.lists(kind, min_size=1, max_size=6))
    again = data.draw(st.permutations(states + states))
    assert merge(*states) == merge(*again)


@given(st.data())
def test_a_reused_id_wins_over_what_it_stood_for_before_in_any_order(data):
    later = NOON + timedelta(hours=1)
    earlier = st.lists(tasks(born=BORN), min_size=1, max_size=3)
    states = data.draw(earlier)
    successors = data.draw(st.lists(tasks(born=later), min_size=1, max_size=3))
    mixed = data.draw(st.permutations(states + successors))
    assert merge(*mixed) == merge(*successors)


@given(_PAIRS)
def test_of_two_states_at_most_one_is_newer(pair):
    a, b = pair
    assert not (is_newer(a, b) and is_newer(b, a))


@given(_PAIRS)
def test_the_newer_state_supplies_the_content(pair):
    a, b = pair
    if is_newer(a, b):
        dates = {"created_at": None, "deleted_at": None}
        assert replace(merge(a, b), **dates) == replace(a, **dates)


@given(_PAIRS)
def test_a_deletion_is_final(pair):
    a, b = pair
    assert bool(merge(a, b).deleted_at) == bool(a.deleted_at or b.deleted_at)


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_deletion_keeps_the_content(minutes):
    written = TaskState(1, {"text": "a"}, {}, BORN, NOON)
    at = NOON + timedelta(minutes=minutes)
    merged = merge(written, replace(written, deleted_at=at))
    assert (merged.data, merged.deleted_at) == ({"text": "a"}, at)
