"""Agreement is a value from 0 to 1 for every type of control."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsml.dataset.agreement_measures import agreement


def region(kind, value, name="a"):
    return {"from_name": name, "to_name": "t", "type": kind, "value": value}


def rating(stars):
    return [region("rating", {"rating": stars})]


def number(value):
    return [region("number", {"number": value})]


def brush(*rle):
    return [region("brush", {"rle": list(rle)})]


def choice(*names, control="a"):
    return [region("choices", {"choices": list(names)}, control)]


def span(start, end, label):
    return region("labels", {"start": start, "end": end, "labels": [label]})


def box(x, y, width, height, label="car"):
    value = {"x": x, "y": y, "width": width, "height": height}
    return region("rectanglelabels", {**value, "rectanglelabels": [label]})


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
            {"spans": 0.666667},
        ),
        ([span(0, 3, "PER")], [span(0, 3, "LOC")], {"spans": 0.0}),
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
        (brush(1, 2), brush(1, 2), {"exact": 1.0}),
        (brush(1, 2), brush(1, 3), {"exact": 0.0}),
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


_KEYS = ["choices", "labels", "text", "x", "y", "width", "height", "rating", "number"]
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)
_REGION = st.fixed_dictionaries(
    {
        "from_name": st.sampled_from(["a", "b"]),
        "type": st.sampled_from(
            [
                "choices",
                "labels",
                "rectanglelabels",
                "textarea",
                "rating",
                "number",
                "x",
            ]
        ),
        "value": _JSON,
    }
)


@given(st.lists(_REGION, max_size=3), st.lists(_REGION, max_size=3))
def test_any_shape_gives_values_from_0_to_1(ours, theirs):
    for value in agreement(ours, theirs).values():
        assert 0 <= value <= 1
