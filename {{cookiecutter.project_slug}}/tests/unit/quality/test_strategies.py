"""The orders in which tasks are labelled, as pure functions."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lsml.quality.next import strategies
from lsml.quality.next.strategies import (
    disagreement,
    diverse,
    least_certain,
    most_representative,
    random_order,
    text_vectors,
)

scores = st.lists(st.none() | st.floats(0, 1))


def points(rows):
    """Rows of numbers that are apart from each other or equal, and never all zero."""
    values = st.integers(-4, 4).map(float)
    shape = st.tuples(rows, st.just(3))
    tables = arrays.arrays(np.float32, shape, elements=values)
    return tables.filter(lambda table: table.any(axis=1).all())


# --- Certainty ---


@given(scores)
def test_every_task_is_ranked_once_the_least_certain_first(scores):
    order = least_certain(scores)

    ranked = [scores[at] for at in order if scores[at] is not None]
    assert sorted(order) == list(range(len(scores)))
    assert ranked == sorted(ranked)


@given(scores)
def test_tasks_without_a_score_come_last(scores):
    order = least_certain(scores)

    numbers = sum(score is not None for score in scores)
    assert all(scores[at] is None for at in order[numbers:])


def test_equal_scores_keep_their_order():
    assert least_certain([0.5, 0.1, 0.5, 0.1]) == [1, 3, 0, 2]


# --- Diversity ---


def similarity(one, other):
    """The cosine, or 0 if it is negative."""
    return max(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)), 0)


def represented(vectors, chosen):
    """How well `chosen` represent all: each by the one that is most similar."""
    return sum(
        max((similarity(vector, one) for one in chosen), default=0)
        for vector in vectors
    )


@given(points(st.integers(1, 8)), points(st.integers(0, 4)))
def test_each_next_one_represents_most_that_nothing_does_so_far(vectors, labelled):
    order = diverse(vectors, labelled, len(vectors))

    assert sorted(order) == list(range(len(vectors)))
    chosen = list(labelled)
    for place, at in enumerate(order):
        reached = {
            other: represented(vectors, [*chosen, vectors[other]])
            for other in order[place:]
        }
        assert reached[at] == pytest.approx(max(reached.values()), abs=1e-4)
        chosen.append(vectors[at])


def test_the_share_counts_those_that_nothing_before_resembles_as_much():
    vectors = np.array([[1, 0], [1, 0.1], [1, 0.2], [0, 1]], np.float32)
    labelled = np.array([[1, 0]], np.float32)
    assert list(most_representative(vectors, labelled)) == [
        (3, 0.25),  # itself
        (2, 0.5),  # itself and [1, 0.1]
        (1, 0.25),
        (0, 0.0),
    ]


def test_something_that_resembles_nothing_else_comes_after_groups():
    groups = np.repeat(np.eye(4, dtype=np.float32)[:3], 5, axis=0)
    vectors = np.concatenate([np.eye(4, dtype=np.float32)[3:], groups])
    order = diverse(vectors, vectors[:0], 4)
    assert {(at - 1) // 5 for at in order[:3]} == {0, 1, 2}
    assert order[3] == 0


def test_with_nothing_labelled_the_most_typical_one_is_first():
    vectors = np.array([[0, 1], [1, 0], [1, 0.1], [1, 0.2]], np.float32)
    assert diverse(vectors, vectors[:0], 2) == [3, 0]


def test_a_copy_of_what_is_labelled_comes_last():
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1]], np.float32)
    assert diverse(vectors, 7 * vectors[:1], 3)[-1] == 0


def test_rows_without_a_direction_come_last():
    vectors = np.array([[0, 0], [1, 0], [0, 0], [0, 1]], np.float32)
    labelled = np.array([[0, 0], [1, 0.1]], np.float32)
    assert diverse(vectors, labelled, 4) == [3, 1, 0, 2]


def test_the_length_of_a_vector_makes_no_difference():
    vectors = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32)
    scaled = vectors * 2 ** np.arange(-10, 10, dtype=np.float32)[:, None]
    assert diverse(scaled, scaled[:0], 20) == diverse(vectors, vectors[:0], 20)


def test_nothing_is_chosen_from_nothing():
    empty = np.zeros((0, 512), np.float32)
    assert diverse(empty, empty, 5) == []


def test_of_many_candidates_a_sample_decides_and_is_always_the_same(monkeypatch):
    monkeypatch.setattr(strategies, "_SIMILARITIES_MAX", 40 * 20)
    groups = np.repeat(np.eye(4, dtype=np.float32), 10, axis=0)
    order = diverse(groups, groups[:0], 40)
    assert {at // 10 for at in order[:4]} == {0, 1, 2, 3}
    assert sorted(order) == list(range(40))
    assert diverse(groups, groups[:0], 40) == order


def test_memory_is_far_below_a_matrix_of_all_pairs():
    vectors = np.random.default_rng(1).normal(size=(8_000, 8)).astype(np.float32)

    tracemalloc.start()
    diverse(vectors, vectors[:4_000], 10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 8_000 * 4_000 * 4 / 2


# --- Disagreement ---


def differs(one, other):
    return float(one != other)


def test_tasks_answered_alike_or_by_one_version_only_are_left_out():
    old, new = {1: "A", 2: "B", 3: "A"}, {2: "C", 3: "A", 4: "B"}
    assert disagreement([old, new], differs) == {2: 1.0}


def test_the_most_contested_task_is_first():
    versions = [{1: "A", 2: "A"}, {1: "A", 2: "B"}, {1: "B", 2: "C"}]
    assert disagreement(versions, differs) == pytest.approx({2: 1.0, 1: 2 / 3})
    assert list(disagreement(versions, differs)) == [2, 1]


@given(st.lists(st.dictionaries(st.integers(0, 5), st.sampled_from("AB")), max_size=4))
def test_the_order_of_versions_does_not_change_how_contested_a_task_is(versions):
    forth, back = disagreement(versions, differs), disagreement(versions[::-1], differs)
    assert forth == pytest.approx(back)


# --- Chance ---


@given(st.integers(0, 50), st.integers(0, 2**32))
def test_a_random_order_has_all_tasks_and_depends_on_the_seed_alone(n, seed):
    order = random_order(n, seed)
    assert sorted(order) == list(range(n))
    assert order == random_order(n, seed)


def test_another_seed_gives_another_order():
    assert random_order(50, 1) != random_order(50, 2)


# --- Texts ---


@given(st.lists(st.text(max_size=30), max_size=8))
def test_every_text_becomes_a_row_of_length_1_or_0(texts):
    vectors = text_vectors(texts)
    assert vectors.shape == (len(texts), 512)
    for text, length in zip(texts, np.linalg.norm(vectors, axis=1), strict=True):
        expected = 1 if text.split() else 0
        assert math.isclose(length, expected, abs_tol=1e-5)


def test_texts_that_share_words_are_nearer_than_others():
    vectors = text_vectors(
        ["the parcel is late", "where is the parcel?", "my app crashes at login"]
    )
    parcels, other = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert parcels > other + 0.2


def test_rare_words_count_more_than_common_ones():
    texts = ["please refund the invoice", "please refund the parcel", "invoice paid"]
    alone = text_vectors(texts)
    among_many = text_vectors([*texts, *(f"please refund the {n}" for n in range(50))])
    assert among_many[0] @ among_many[2] > alone[0] @ alone[2]


def test_case_and_white_space_make_no_difference():
    one, other = text_vectors(["The  cat\nsat ", "the cat sat"])
    assert one @ other == pytest.approx(1, abs=1e-5)


def test_texts_without_spaces_between_words_are_compared_too():
    vectors = text_vectors(
        ["荷物はどこですか", "荷物はどこにありますか", "請求書が高すぎる"]
    )
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_a_text_does_not_run_into_the_next_one():
    separate = text_vectors(["ab", "cd"])
    assert separate[0] @ separate[1] == pytest.approx(0, abs=0.1)
    assert text_vectors(["ab", "cd"] * 400)[0] @ separate[0] == pytest.approx(1)
