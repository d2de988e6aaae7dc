"""Prints one line for each step of the demo, with its outcome and its duration."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

DONE, FAILED = "✓", "✗"
REPEAT_S = 10.0  # interval of progress lines where the output is not a terminal


class StepFailed(Exception):  # noqa: N818 - what happened
    """A step of the demo failed. The message says what happened instead."""


@dataclass
class Step:
    """A step in progress. `outcome` is shown when it is done."""

    title: str
    outcome: str = ""
    started: float = field(default_factory=time.monotonic)
    _shown_at: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the step started."""
        return time.monotonic() - self.started

    def waiting(self, doing: str) -> None:
        """Show progress while waiting; a terminal shows it on one line."""
        text = f"  … {self.title}: {doing}"[:100]
        if sys.stdout.isatty():
            print(f"\r\033[K{text} ({self.seconds:.0f} s)", end="", flush=True)
        elif time.monotonic() - self._shown_at > REPEAT_S:
            self._shown_at = time.monotonic()
            print(f"{text} ({self.seconds:.0f} s)", flush=True)


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Run a step and print its title, outcome and duration."""
    running = Step(title)
    if sys.stdout.isatty():
        running.waiting("…")
    try:
        yield running
    except BaseException:
        _line(FAILED, running)
        raise
    _line(DONE, running)


def expect(condition: object, otherwise: str) -> None:
    """Raise StepFailed with the sentence `otherwise` unless the condition holds."""
    if not condition:
        raise StepFailed(otherwise)


def _line(mark: str, finished: Step) -> None:
    start = "\r\033[K" if sys.stdout.isatty() else ""
    text = f"{start}{mark} {finished.title:<34} {finished.outcome}"
    print(f"{text:<88} {finished.seconds:6.2f} s", flush=True)
