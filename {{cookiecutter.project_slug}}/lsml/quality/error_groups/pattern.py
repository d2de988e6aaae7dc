"""What errors with different values have in common."""

import re
from typing import Final

READ_MAX: Final = 500  # characters of an error; type and cause come first
_PATTERN_MAX: Final = 300
_NO_MESSAGE: Final = "no message"

# Each alternative is tried where the one before it ended, so what is inside quotes or a
# path is not looked at again. A quote between letters is an apostrophe. One that is
# never closed was cut off: it reaches to the end.
_VALUES: Final = re.compile(
    r"""
    (?P<value> (?<!\w) [bBfFrRuU]{0,2}
        (?: ' (?: \\.? | [^'\\] | '(?=\w) )* (?:'|\Z)
          | " (?: \\.? | [^"\\] )* (?:"|\Z)
          | ` [^`]* (?:`|\Z)
          | “ [^”]* (?:”|\Z) ) )
  | (?P<address> \b [A-Za-z][A-Za-z0-9+.-]* :// [^\s'"<>()]+
          | \b [\w.+-]+ @ [\w-]+ (?: \. [\w-]+ )+
          | \b 0[xX][0-9a-fA-F]+ \b
          | \b \d+ (?: \. \d+ ){3} (?: :\d+ )? \b
          | \[ [0-9a-fA-F]* : [0-9a-fA-F:]+ \] (?: :\d+ )? )
  | (?P<path> (?<![\w/.~-]) (?: [A-Za-z]:\\ | ~/ | \.{1,2}/ | / ) [\w.@+~:/\\-]+ )
  | (?P<time> \b \d{4}-\d\d-\d\d
        (?: [T ] \d\d:\d\d (?: :\d\d )? (?: [.,]\d+ )? (?: Z | [+-]\d\d:?\d\d )? )? \b )
  | (?P<id> \b [0-9a-fA-F]{8} (?: -[0-9a-fA-F]{4} ){3} -[0-9a-fA-F]{12} \b
          | \b (?= \d* [a-fA-F] ) [0-9a-fA-F]{8,} \b )
  | (?P<number> (?: (?<![\w.]) [+-] )? \d+ (?: [.,]\d+ )* (?: [eE][+-]?\d+ )? )
    """,
    re.VERBOSE | re.DOTALL,
)
_REPEATED: Final = re.compile(r"(<[a-z]+>)(?:(?:, ?|; ?| )\1)+")


def pattern_of(error: str) -> str:
    """Return an error with placeholders for its values, at most 300 characters.

    Numbers, IDs, addresses, absolute paths, times and quoted texts are replaced, and a
    list of the same placeholder becomes one followed by "…". Only the beginning of the
    error is read.

    Args:
        error: As it was recorded: the type of the exception and its message.
    """
    read = " ".join(error[:READ_MAX].split())
    replaced = _VALUES.sub(lambda found: f"<{found.lastgroup}>", read)
    short = _REPEATED.sub(r"\1 …", replaced)
    return short[:_PATTERN_MAX].strip() or _NO_MESSAGE
