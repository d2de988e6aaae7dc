"""Decoded bodies can be stored and encoded again; others are refused."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.reading import decode


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
