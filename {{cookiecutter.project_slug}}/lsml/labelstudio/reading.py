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

from lsml.labelstudio.errors import WireError

JsonObject = dict[str, object]
# A value must also be written inside others: in a page of rows, a statement, a message.
NESTED_MAX = 200
_ORJSON_LEVELS = 254  # that it writes
LARGEST_ID = 2**63 - 1  # the largest bigint, Label Studio's and ours
_ESCAPED_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def decode(body: bytes) -> object:
    """Return the JSON value of a request body, fit to be stored as JSON again.

    NUL characters become U+FFFD here, once, because PostgreSQL cannot store them.

    Raises:
        WireError: empty, not JSON, lone surrogates, numbers beyond a float, or nested
            too deeply.
    """
    if rb"\u0000" in body:
        body = _ESCAPED_NUL.sub(rb"\1\\ufffd", body)
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
