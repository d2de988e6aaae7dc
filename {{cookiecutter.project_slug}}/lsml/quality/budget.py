"""Bounds what a report costs that a web process computes while somebody waits."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.utils.translation import gettext as _

REPORT_S: Final = 5.0  # then a report says what it left out
_WAIT_S: Final = 0.2  # for the report before; the thread could answer others
_turn = threading.Lock()


class ReportBusy(Exception):
    """Another report is being computed in this process."""

    retry_after_s = 3

    def __init__(self) -> None:
        super().__init__(
            _("Another report is being computed. Try again in a few seconds.")
        )


class Budget:
    """The time that a report may take."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    @property
    def is_used_up(self) -> bool:
        """Whether the report should end with what it has."""
        return self.seconds_left <= 0

    @property
    def seconds_left(self) -> float:
        """How much of the time is left; infinite for a command."""
        return max(0.0, self._until - time.monotonic())


UNLIMITED: Final = Budget(float("inf"))  # of a command, where nobody else waits


@contextmanager
def one_report() -> Iterator[Budget]:
    """Compute one report at a time in this process: it may take a core and 100 MB.

    Raises:
        ReportBusy: another one goes on.
    """
    if not _turn.acquire(timeout=_WAIT_S):
        raise ReportBusy
    try:
        yield Budget(REPORT_S)
    finally:
        _turn.release()
