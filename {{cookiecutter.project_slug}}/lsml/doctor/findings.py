"""What a check is, and what it finds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"  # works, but somebody should look at it
    PROBLEM = "problem"  # something does not work, or a promise does not hold


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Level
    item: str  # what was examined, in a few words
    text: str
    next_step: str = ""  # empty if ok


@dataclass(frozen=True, slots=True)
class Check:
    """Examines one thing. If it raises an error or hangs, the others still run."""

    section: str
    item: str  # named in the report if the check itself fails
    examine: Callable[[], Iterable[Finding]]
    next_step: str  # what to do if the check fails or hangs
    needs_database: bool = True
    timeout_s: float = 10.0


def ok(item: str, text: str) -> Finding:
    """Return a finding that needs no attention."""
    return Finding(Level.OK, item, text)


def warning(item: str, text: str, next_step: str) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(Level.WARNING, item, text, next_step)


def problem(item: str, text: str, next_step: str) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(Level.PROBLEM, item, text, next_step)
