"""What errors with different values have in common."""

import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lsml.quality.error_groups.pattern import pattern_of

WORDS = st.text(string.ascii_letters, min_size=1, max_size=12)
TEXTS = st.text(max_size=80)
PARTS = string.ascii_letters + string.digits + "-_."
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "pattern"),
    [
        ("predict() raised KeyError: 'text'", "predict() raised KeyError: <value>"),
        ("ValueError: task 17 is empty", "ValueError: task <number> is empty"),
        ("OSError: [Errno 2] No such file or directory: '/data/a.bin'",
         "OSError: [Errno <number>] No such file or directory: <value>"),
        ("cannot open /data/models/a-1.bin", "cannot open <path>"),
        ("cannot open C:\\models\\a.bin", "cannot open <path>"),
        ("GET https://ls.example/api/tasks/7 failed", "GET <address> failed"),
        ("10.0.0.7:8080 refused the connection", "<address> refused the connection"),
        ("<Model object at 0x7f3a2b1c> is closed",
         "<Model object at <address>> is closed"),
        ("no user ana@example.org", "no user <address>"),
        ("no object 550e8400-e29b-41d4-a716-446655440000", "no object <id>"),
        ("no commit 1f4a9c7e21", "no commit <id>"),
        ("expired on 2026-11-30T10:00:00Z", "expired on <time>"),
        ("shapes (3, 224, 224) and (1,)", "shapes (<number> …) and (<number>,)"),
        ("label not in ['A', 'B', 'C']", "label not in [<value> …]"),
        ("the model's config can't be read", "the model's config can't be read"),
        ("bad text 'it's late' here", "bad text <value> here"),
        ("bad bytes b'\\x00\\'' here", "bad bytes <value> here"),
        ("bad text 'cut off in the midd", "bad text <value>"),
        ("loss is -1.5e-07 at +3", "loss is <number> at <number>"),
        ("either/or\n  in two   lines", "either/or in two lines"),
        ("", "no message"),
    ],
)  # fmt: skip
def test_values_become_placeholders(error, pattern):
    assert pattern_of(error) == pattern


@given(WORDS, st.integers() | st.floats(allow_nan=False, allow_infinity=False), WORDS)
def test_numbers_do_not_tell_errors_apart(before, number, after):
    expected = f"{before} <number> {after}"
    assert pattern_of(f"{before} {number} {after}") == expected


@given(WORDS, st.text(max_size=200), WORDS)
@example("KeyError:", "it's", "x")
@example("KeyError:", "\\", "x")
def test_quoted_values_do_not_tell_errors_apart(before, value, after):
    """As Python quotes them."""
    assert pattern_of(f"{before} {value!r} {after}") == f"{before} <value> {after}"


@given(WORDS, st.uuids(), st.integers(1), WORDS)
def test_ids_and_addresses_do_not_tell_errors_apart(before, key, address, after):
    text = f"{before} {key} {address:#x} {after}"
    assert pattern_of(text) == f"{before} <id> <address> {after}"


@given(WORDS, st.lists(st.text(PARTS, min_size=1, max_size=20), min_size=1, max_size=9))
def test_paths_do_not_tell_errors_apart(before, parts):
    assert pattern_of(f"{before} /{'/'.join(parts)} x") == f"{before} <path> x"


@given(WORDS, st.integers(0, 10**9))
def test_times_do_not_tell_errors_apart(before, seconds):
    at = START + timedelta(seconds=seconds)
    assert pattern_of(f"{before} {at.isoformat()}") == f"{before} <time>"


@given(TEXTS)
def test_no_digit_and_no_line_break_is_left(text):
    found = pattern_of(text)
    assert not any(each.isdecimal() for each in found)
    assert "\n" not in found


@example("g1" * 500)
@given(st.text(max_size=3_000) | st.text("'\"`\\ab/1 ", max_size=3_000))
def test_any_text_has_a_short_pattern(text):
    assert 0 < len(pattern_of(text)) <= 300


def test_a_long_value_at_the_end_of_an_error_does_not_matter():
    short, long = (f"ValueError: bad text '{'a b ' * n}'" for n in (1, 1_000))
    assert pattern_of(short) == pattern_of(long) == "ValueError: bad text <value>"
