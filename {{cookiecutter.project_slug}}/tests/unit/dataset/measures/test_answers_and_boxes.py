"""Agreement is a value from 0 to 1 for every type of control."""

import pytest

from lsml.dataset.measures import agreement
from tests.unit.dataset.measures.regions import box, region, span


def rating(stars):
    return [region("rating", {"rating": stars})]


def number(value):
    return [region("number", {"number": value})]


def choice(*names, control="a"):
    return [region("choices", {"choices": list(names)}, control)]


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (choice("A"), choice("A"), {"choices": 1.0}),
        (choice("A"), choice("B"), {"choices": 0.0}),
        (choice("A", "B"), choice("B"), {"choices": 0.5}),
        (choice("A"), [], {"choices": 0.0}),
        ([], [], {}),
        (
            [span(0, 3, "PER")],
            [span(0, 3, "PER"), span(5, 9, "LOC")],
            {"spans": 0.666667, "spans_overlap": 0.666667},
        ),
        (
            [span(0, 3, "PER")],
            [span(0, 3, "LOC")],
            {"spans": 0.0, "spans_overlap": 0.0},
        ),
        ([box(0, 0, 10, 10)], [box(0, 0, 10, 10)], {"boxes": 1.0}),
        ([box(0, 0, 10, 10)], [box(5, 0, 10, 10)], {"boxes": 0.333333}),
        ([box(0, 0, 10, 10)], [box(0, 0, 10, 10, "bus")], {"boxes": 0.0}),
        (
            [box(0, 0, 10, 10)],
            [box(0, 0, 10, 10), box(50, 50, 9, 9)],
            {"boxes": 0.666667},
        ),
        (
            [region("textarea", {"text": ["abcd"]})],
            [region("textarea", {"text": "abXX"})],
            {"text": 0.5},
        ),
        (rating(5), rating(1), {"rating": 0.0}),
        (rating(4), rating(5), {"rating": 0.75}),
        (number(90), number(100), {"number": 0.9}),
        (number(-1), number(1), {"number": 0.0}),
    ],
)
def test_the_measure_fits_the_type_of_control(ours, theirs, expected):
    assert agreement(ours, theirs) == expected


@pytest.mark.parametrize("size", [0, 1e-170, 10**400, 1e308, True], ids=repr)
@pytest.mark.parametrize("kind", ["rectanglelabels", "rating", "number"])
def test_numbers_without_a_measure_count_as_disagreement_or_as_equal(kind, size):
    names = ("x", "y", "width", "height", "rating", "number")
    ours = [region(kind, dict.fromkeys(names, size))]
    (value,) = agreement(ours, ours).values()
    assert 0 <= value <= 1


def test_controls_of_one_type_are_averaged():
    ours = choice("A") + choice("X", control="b")
    theirs = choice("A") + choice("Y", control="b")
    assert agreement(ours, theirs) == {"choices": 0.5}


def test_items_that_are_not_regions_are_ignored():
    assert agreement([None, "x", {"type": "relation"}], choice("A")) == {"choices": 0.0}
