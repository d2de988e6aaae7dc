"""Decoded bodies can be stored and encoded again; others are refused."""

import tracemalloc
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsml.labelstudio import reading
from lsml.labelstudio.errors import BodyTooLarge, WireError
from lsml.labelstudio.reading import ELEMENTS_MAX, decode


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b'"\\ud800"', "not JSON"),
        (b"NaN", "not JSON"),
        (b"[" * 300 + b"]" * 300, "nested too deeply"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "not JSON"),
    ],
)
def test_a_body_that_cannot_be_stored_as_json_is_refused(body, why):
    with pytest.raises(WireError, match=why) as refusal:
        decode(body)
    assert refusal.value.field == "body"


def test_nul_characters_are_replaced_and_similar_text_is_not():
    assert decode(rb'["a\u0000b", "\\u0000", "\\\u0000"]') == [
        "a\ufffdb",
        "\\u0000",
        "\\\ufffd",
    ]


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_decoded_or_refused(body):
    try:
        value = decode(body)
    except WireError:
        return
    assert orjson.loads(orjson.dumps(value)) == value


@pytest.mark.parametrize(
    ("head", "unit", "number", "tail"),
    [
        (b"[", b"{},", ELEMENTS_MAX // 3 + 1, b"0]"),
        (b"[", b"[],", ELEMENTS_MAX // 2 + 1, b"0]"),
        (b"[", b"1,", ELEMENTS_MAX + 1, b"0]"),
        (b"", b"[", ELEMENTS_MAX + 1, b""),
    ],
    ids=["objects", "lists", "numbers", "nested"],
)
def test_a_body_with_too_many_values_is_refused_before_they_take_memory(
    monkeypatch, head, unit, number, tail
):
    body = head + unit * number + tail
    with pytest.raises(BodyTooLarge, match="Send fewer tasks at a time"):
        decode(body)
    monkeypatch.setattr(reading, "ELEMENTS_MAX", 30_000)  # tracing each takes long
    assert peak_of_decoding(body) < 1_000_000


@pytest.mark.parametrize(
    "text",
    [b"{,[" * ELEMENTS_MAX, rb"\\\",{\\" * ELEMENTS_MAX],
    ids=["plain", "escaped"],
)
def test_commas_and_brackets_inside_texts_are_not_values(text):
    assert len(decode(b'["' + text + b'", 1]')) == 2


def test_a_series_of_a_million_numbers_is_accepted():
    assert len(decode(b"[" + b"0.125," * 999_999 + b"1]")) == 1_000_000


@pytest.mark.parametrize("body", [b'"' + rb"\"," * ELEMENTS_MAX, b'"\\' * ELEMENTS_MAX])
def test_a_text_that_never_ends_is_refused(body):
    with pytest.raises(WireError):
        decode(body)


@given(st.text(st.sampled_from('\\u0a"')))
def test_nul_characters_are_replaced_as_one_by_one(text):
    body = b'"' + text.replace('"', "").encode() + b'"'
    try:
        plain = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    assert decode(body) == plain.replace("\0", "\ufffd")


def test_nul_characters_take_hardly_more_memory_than_other_characters():
    body = b'["' + rb"\u0000" * 500_000 + rb'\\"]'
    others = body.replace(rb"\u0000", rb"\u0001")
    assert peak_of_decoding(body) < peak_of_decoding(others) + 4 * len(body)


def peak_of_decoding(body):
    """Return the most bytes that were allocated at once."""
    tracemalloc.start()
    try:
        with suppress(WireError):
            decode(body)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
