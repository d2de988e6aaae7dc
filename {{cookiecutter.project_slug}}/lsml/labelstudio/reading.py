"""Readers of decoded JSON.

`decode`, `as_object` and `as_text` are strict: they raise a `WireError` for the sender.
`as_id`, `as_list`, `as_dict`, `as_number` and `as_time` are tolerant: a value that
cannot be used becomes None or empty.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from math import isfinite
from typing import cast

import orjson

from lsml.labelstudio.errors import BodyTooLarge, WireError

JsonObject = dict[str, object]
# A value must also be written inside others: in a page of rows, a statement, a message.
NESTED_MAX = 200
_ORJSON_LEVELS = 254  # that it writes
LARGEST_ID = 2**63 - 1  # the largest bigint, Label Studio's and ours
# What one body may have: commas and lists count once, objects twice. In memory, each
# takes up to 250 bytes until it is stored.
ELEMENTS_MAX = 1_050_000  # a series of a million numbers, and what is around it
# Up to the next comma or bracket that is not inside a string. It matches at any place,
# so the search never starts again.
_ELEMENT = re.compile(
    rb'(?:[^"{\[,]++|"(?:[^"\\]++|\\.?)*+(?:"|\Z))*+(?:[{\[,]|\Z)', re.DOTALL
)
_OBJECT = ord("{")


def decode(body: bytes) -> object:
    """Return the JSON value of a request body, fit to be stored as JSON again.

    NUL characters become U+FFFD here, once, because PostgreSQL cannot store them.

    Raises:
        BodyTooLarge: more than `ELEMENTS_MAX` elements.
        WireError: empty, not JSON, lone surrogates, numbers beyond a float, or nested
            too deeply.
    """
    if _has_too_many_elements(body):
        raise BodyTooLarge(
            "body",
            f"The request body has more than {ELEMENTS_MAX:,} values (an object counts"
            " twice), which would take too much memory. Send fewer tasks at a time; to"
            " predict a whole project, use `manage.py predict`.",
        )
    if rb"\u0000" in body:
        body = _without_nul(body)
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as broken:
        raise WireError("body", f"The request body is not JSON: {broken}.") from None
    if is_nested_too_deeply(value, body):
        raise WireError(
            "body",
            f"The request body is nested too deeply: at most {NESTED_MAX} levels.",
        )
    return value


def is_nested_too_deeply(value: object, encoded: bytes) -> bool:
    """Return whether a JSON value has more than `NESTED_MAX` levels.

    Args:
        value: the value; recursion into it is safe if this returns False.
        encoded: the same as JSON text.
    """
    if encoded.count(b"[") + encoded.count(b"{") <= NESTED_MAX:
        return False
    for _ in range(_ORJSON_LEVELS - NESTED_MAX):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False


def as_object(value: object, *, field: str) -> JsonObject:
    """Return the JSON object at `field`.

    Raises:
        WireError: the value is not an object.
    """
    if not isinstance(value, dict):
        raise WireError(field, f"{_named(field)} must be a JSON object.")
    return cast("JsonObject", value)


def as_text(value: object, *, field: str, longest: int) -> str:
    """Return the text at `field`, at most `longest` characters and without NUL.

    Raises:
        WireError: the value is not such a text.
    """
    if not isinstance(value, str):
        raise WireError(field, f"{_named(field)} must be a text.")
    if len(value) > longest:
        raise WireError(field, f"{_named(field)} is longer than {longest} characters.")
    if "\x00" in value:  # the only character that PostgreSQL cannot store
        raise WireError(field, f"{_named(field)} contains a NUL character.")
    return value


def as_id(value: object) -> int | None:
    """Return a number that can be an ID of Label Studio, else None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value <= LARGEST_ID else None
    return None


def as_list(value: object) -> list[object]:
    """Return the list, or an empty one for any other value."""
    return value if isinstance(value, list) else []


def as_dict(value: object) -> JsonObject:
    """Return the object, or an empty one for any other value."""
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def as_number(value: object) -> float | None:
    """Return a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def as_time(value: object) -> datetime | None:
    """Return the moment of an ISO text in UTC, else None.

    A text without an offset is read as UTC. Moments outside the years 1 to 9999 in UTC
    are None as well: Python could not read them back from the database.
    """
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _named(field: str) -> str:
    return "The request body" if field == "body" else f"`{field}`"


def _has_too_many_elements(body: bytes) -> bool:
    """Count before any Python object is made, which would take most of the memory."""
    if 2 * len(body) <= ELEMENTS_MAX:
        return False
    most = body.count(b",") + body.count(b"[") + 2 * body.count(b"{")
    if most <= ELEMENTS_MAX:
        return False
    found = 0  # without those inside strings
    for element in _ELEMENT.finditer(body):
        found += 2 if body[element.end() - 1] == _OBJECT else 1
        if found > ELEMENTS_MAX:
            return True
    return False


def _without_nul(body: bytes) -> bytes:
    if b"\x00" in body:
        return body  # not JSON
    # Escaped backslashes are set aside, because the text after one is no escape.
    aside = body.replace(rb"\\", b"\x00\x00")
    return aside.replace(rb"\u0000", rb"\ufffd").replace(b"\x00\x00", rb"\\")
