"""Small strict readers of decoded JSON, shared by the request parsers."""

from __future__ import annotations

import re
from typing import cast

import orjson

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.identity import LARGEST_ID

JsonObject = dict[str, object]
_ESCAPED_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def decode(body: bytes) -> object:
    """The JSON value of a request body, such that it can be stored and written again.

    NUL characters become U+FFFD here, once, as PostgreSQL cannot hold them.

    Raises:
        WireError: empty, no JSON, lone surrogates, or nested too deeply.
    """
    if rb"\u0000" in body:
        body = _ESCAPED_NUL.sub(rb"\1\\ufffd", body)
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as broken:
        raise WireError("body", f"The request body is not JSON: {broken}.") from None
    try:
        orjson.dumps(value)  # its limit of 254 levels is what keeps recursion safe
    except orjson.JSONEncodeError:
        raise WireError("body", "The request body is nested too deeply.") from None
    return value


def as_object(value: object, *, field: str) -> JsonObject:
    """The JSON object at `field`, or a sentence saying what is there instead."""
    if not isinstance(value, dict):
        raise WireError(field, f"{_named(field)} must be a JSON object.")
    return cast("JsonObject", value)


def as_text(value: object, *, field: str, longest: int) -> str:
    """Text at `field`, at most `longest` characters and without NUL bytes."""
    if not isinstance(value, str):
        raise WireError(field, f"{_named(field)} must be a text.")
    if len(value) > longest:
        raise WireError(field, f"{_named(field)} is longer than {longest} characters.")
    if "\x00" in value:  # PostgreSQL stores every character but this one
        raise WireError(field, f"{_named(field)} contains a NUL character.")
    return value


def as_id(value: object) -> int | None:
    """A number that can be one of Label Studio's ids, else None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value <= LARGEST_ID else None
    return None


def _named(field: str) -> str:
    return "The request body" if field == "body" else f"`{field}`"
