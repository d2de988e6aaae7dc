"""Numbers on pages and charts are written for people."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsml.console.charts import Series, Stack, column_chart, line_chart
from lsml.console.charts.axes import whole_steps
from lsml.console.numbers import (
    milliseconds,
    readable,
    short,
    typographic,
    whole_number,
)
from lsml.console.templatetags.console import change, number

EXPONENT = re.compile(r"\de[+-]?\d", re.IGNORECASE)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (-0.0, "0"), (1, "1"), (0.5, "0.5"), (0.92341, "0.9234"),
        (0.99999, "1"), (12.0, "12"), (1234.5, "1,234"), (12345.6, "12,346"),
        (1e5, "100,000"), (2e-5, "0.00002"), (1.2345e-5, "0.00001234"),
        (-0.03, "−0.03"), (1e-30, "0"), (1e20, "> 1,000T"), (-1e20, "< −1,000T"),
        (math.inf, "–"), (math.nan, "–"),
    ],
)  # fmt: skip
def test_a_figure_is_readable(value, text):
    assert readable(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.25, "0.25"), (0.0625, "0.0625"), (5000, "5,000"),
        (12500, "12.5k"), (2_500_000, "2.5M"), (7e9, "7G"), (3e12, "3T"),
    ],
)  # fmt: skip
def test_an_axis_has_short_numbers(value, text):
    assert short(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.4, "0.4 ms"), (12.5, "12.5 ms"), (999, "999 ms"), (1000, "1 s"),
        (1250, "1.25 s"), (5000, "5 s"), (100_000, "100 s"), (2_000_000, "2,000 s"),
    ],
)  # fmt: skip
def test_a_time_is_in_milliseconds_below_a_second_and_in_seconds_above(value, text):
    assert milliseconds(value) == text


@given(st.floats())
def test_no_number_has_an_exponent(value):
    for write in (readable, short, milliseconds, number):
        assert not EXPONENT.search(write(value))


@given(st.floats(min_value=1e-9, max_value=9e14))
def test_a_figure_keeps_four_digits(value):
    assert float(readable(value).replace(",", "")) == pytest.approx(value, rel=1e-3)


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=5))
def test_no_chart_shows_an_exponent(values):
    points = list(enumerate(values))
    drawn = line_chart("Loss", [Series("loss", points)])
    stacked = column_chart(
        "Events", ["00"] * len(values), [Stack("a", points_up(values))]
    )
    for chart in (drawn, stacked):
        texts = re.findall(r">([^<]+)<", chart or "")
        assert not [text for text in texts if EXPONENT.search(text)]


def points_up(values):
    return [abs(value) for value in values]


def test_the_latency_axis_shows_seconds():
    chart = line_chart("Latency", [Series("p95", [(0, 4200.0)])], write=milliseconds)
    texts = re.findall(r">([^<]+)</text>", chart)
    assert texts[:5] == ["0", "1.25 s", "2.5 s", "3.75 s", "5 s"]
    assert "p95: 4.2 s" in chart


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), (" 12 ", 12), ("\uff11\uff12", 12), ("0", 0),
        (str(2**63 - 1), 2**63 - 1), (str(2**63), None), ("9" * 5000, None),
        ("abc", None), ("", None), ("-1", None), ("1e9", None),
        ("1.5", None), ("²", None),
    ],
)  # fmt: skip
def test_only_whole_numbers_are_read(text, value):
    assert whole_number(text) == value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-3 points (-8.5 to 2)", "−3 points (−8.5 to 2)"),
        ("since 2026-11-30, f1-score", "since 2026-11-30, f1-score"),
    ],
)
def test_a_minus_is_typographic_on_pages_and_a_hyphen_is_not(text, shown):
    assert typographic(text) == shown
    assert number(-1234) == "−1,234"


@pytest.mark.parametrize(
    ("difference", "count", "text"),
    [
        (0.08, 43, "+8 points"), (-0.035, 100, "−3.5 points"), (0.01, 43, "+1 point"),
        (0.0, 43, "0 points"), (-0.0001, 100, "0.0 points"), (None, 43, "–"),
    ],
)  # fmt: skip
def test_a_difference_has_its_sign(difference, count, text):
    assert change(difference, count) == text


@given(st.integers(1, 10**12))
def test_the_ticks_of_counts_are_whole_numbers(most):
    lines = whole_steps(most)
    assert all(isinstance(line, int) for line in lines)
    assert lines[0] == 0
    assert lines[-2] < most <= lines[-1]
    assert len(lines) <= 5


def test_a_chart_of_few_predictions_counts_them_in_whole_numbers():
    chart = column_chart("Predictions", ["00", "01"], [Stack("v1", [1, 3])])
    ticks = re.findall(r'text-anchor="end">([^<]+)<', chart)
    assert ticks == ["0", "1", "2", "3"]
