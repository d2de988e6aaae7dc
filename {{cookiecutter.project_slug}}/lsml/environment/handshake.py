"""How `manage.py dev` and its processes wait for each other.

The processes load their code while the servers start and the database is prepared, and
go on when `dev` says so. Workers report when they take messages. What only saves time
later waits until the service is ready. Each signal is the end of a pipe, so it also
comes when the other side dies. A process that `dev` did not start waits for nothing and
reports to nobody.
"""

import os
import select

_GO, _READY, _WORKING = "LSML_DEV_GO", "LSML_DEV_READY", "LSML_DEV_WORKING"


class Handshake:
    """The side of `manage.py dev`."""

    def __init__(self) -> None:
        self._go, self._before_go = os.pipe()
        self._ready, self._before_ready = os.pipe()
        self._working, self._before_working = os.pipe()

    @property
    def web(self) -> dict[str, int]:
        """Descriptors for a process that waits for `go`, by variable."""
        return {_GO: self._go}

    @property
    def worker(self) -> dict[str, int]:
        """Descriptors for a process that waits for both signals, and reports."""
        return {_GO: self._go, _READY: self._ready, _WORKING: self._before_working}

    def go(self) -> None:
        """Let the processes go on. Call it after all of them were started."""
        # The workers now hold the only writing ends of the pipe on which they report.
        for end in (self._before_go, self._before_working, self._go, self._ready):
            os.close(end)

    def all_work(self) -> bool:
        """Return whether all workers have called `report_working`."""
        ended, _, _ = select.select([self._working], [], [], 0)
        return bool(ended)

    def ready(self) -> None:
        """Let the workers do what only saves time later."""
        os.close(self._before_ready)


def wait_for_go() -> None:
    """Wait until `manage.py dev` has started the servers and migrated the database."""
    _wait(_GO)


def report_working() -> None:
    """Tell `manage.py dev` that this process takes messages."""
    if end := os.environ.pop(_WORKING, ""):
        os.close(int(end))


def wait_until_ready() -> None:
    """Wait until `manage.py dev` has printed that the service is ready."""
    _wait(_READY)


def _wait(variable: str) -> None:
    if end := os.environ.pop(variable, ""):  # a child process must not see it
        os.read(int(end), 1)
        os.close(int(end))
