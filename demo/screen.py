"""What the demo shows: one line for each step, with its outcome and its time."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

DONE, FAILED = "✓", "✗"
REPEAT_S = 10.0  # how often a log file (no terminal) is told that a wait goes on


class StepFailed(Exception):  # noqa: N818 - what happened
    """A step of the demo did not hold; the text says what was seen instead."""


@dataclass
class Step:
    """A step that is under way; `outcome` is shown when it is done."""

    title: str
    outcome: str = ""
    begun: float = field(default_factory=time.monotonic)
    _shown_at: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Time since the step began."""
        return time.monotonic() - self.begun

    def waiting(self, doing: str) -> None:
        """Show what is waited for; on a terminal on the same line."""
        text = f"  … {self.title}: {doing}"[:100]
        if sys.stdout.isatty():
            print(f"\r\033[K{text} ({self.seconds:.0f} s)", end="", flush=True)
        elif time.monotonic() - self._shown_at > REPEAT_S:
            self._shown_at = time.monotonic()
            print(f"{text} ({self.seconds:.0f} s)", flush=True)


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Show a step: what it does, how it ended, how long it took."""
    under_way = Step(title)
    if sys.stdout.isatty():
        under_way.waiting("…")
    try:
        yield under_way
    except BaseException:
        _line(FAILED, under_way)
        raise
    _line(DONE, under_way)


def expect(condition: object, otherwise: str) -> None:
    """End the step with a sentence unless the condition holds."""
    if not condition:
        raise StepFailed(otherwise)


def _line(mark: str, ended: Step) -> None:
    start = "\r\033[K" if sys.stdout.isatty() else ""
    text = f"{start}{mark} {ended.title:<34} {ended.outcome}"
    print(f"{text:<88} {ended.seconds:6.2f} s", flush=True)
