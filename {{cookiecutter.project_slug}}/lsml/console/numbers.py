"""Reads and writes numbers for people: no exponents, thousands grouped."""

import math
import re
from typing import Final

BIGINT_MAX: Final = (1 << 63) - 1  # the largest id PostgreSQL compares with
_DECIMALS_MAX: Final = 12  # smaller values are shown as 0
_HUGE: Final = 1e15  # larger values are not written out: a loss that diverged
_HYPHEN: Final = re.compile(r"(?<![\w.])-(?=\d)")  # before a number, not within a date
_LETTERS: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def whole_number(text: str, most: int = BIGINT_MAX) -> int | None:
    """Read a whole number from 0 to `most`, in the digits of any script.

    Returns:
        The number, or None for any other text.
    """
    digits = text.strip()
    if not digits.isdecimal() or len(digits) > len(str(most)):
        return None  # check the length first: Python refuses thousands of digits
    number = int(digits)
    return number if number <= most else None


def typographic(text: str) -> str:
    """Write the minus of each number in a text as on paper: −3, not -3."""
    return _HYPHEN.sub("−", text)


def readable(value: float, digits: int = 4) -> str:
    """Write a number with its thousands grouped: 12,346 or 0.00001.

    Args:
        value: Any number; infinity and NaN become a dash.
        digits: Significant digits; those before the decimal point are always kept.
    """
    if not math.isfinite(value):
        return "–"
    if abs(value) >= _HUGE:
        return "< −1,000T" if value < 0 else "> 1,000T"
    power = math.floor(math.log10(abs(value))) if value else 0
    decimals = min(max(digits - 1 - power, 0), _DECIMALS_MAX)
    text = f"{value:,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else typographic(text)


def short(value: float) -> str:
    """Write a number in few characters: 5,000 or 12.5k."""
    if 1e4 <= abs(value) < _HUGE:
        size, letter = next(pair for pair in _LETTERS if abs(value) >= pair[0])
        return f"{readable(value / size, 3)}{letter}"
    return readable(value, 3)


def milliseconds(value: float) -> str:
    """Write a time given in ms: 0, 12.5 ms, or 5 s from one second on."""
    if abs(value) < 1e3:
        return f"{readable(value, 3)} ms" if value else "0"
    return f"{readable(value / 1e3, 3)} s"
