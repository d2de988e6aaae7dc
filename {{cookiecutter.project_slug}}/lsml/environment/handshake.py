"""How `manage.py dev` and its processes wait for each other.

The processes load their code while the servers start and the database is prepared, and
go on when `dev` says so. Workers report when they take messages, and web that it cannot
import the model. What only saves time later waits until the service is ready. The
signals that somebody waits for are ends of pipes, so they also come when the other side
dies. A process that `dev` did not start waits for nothing and reports to nobody.
"""

import os
import select
from contextlib import suppress

_GO, _READY = "LSML_DEV_GO", "LSML_DEV_READY"
_WORKING, _NO_MODEL = "LSML_DEV_WORKING", "LSML_DEV_NO_MODEL"


class Handshake:
    """The side of `manage.py dev`."""

    def __init__(self) -> None:
        self._go, self._before_go = os.pipe()
        self._ready, self._before_ready = os.pipe()
        self._working, self._before_working = os.pipe()
        self._no_model, self._for_web = os.pipe()

    @property
    def web(self) -> dict[str, int]:
        """Descriptors for web and the model process, by variable."""
        return {_GO: self._go, _NO_MODEL: self._for_web}

    @property
    def worker(self) -> dict[str, int]:
        """Descriptors for a worker, by variable."""
        return {_GO: self._go, _READY: self._ready, _WORKING: self._before_working}

    def go(self) -> None:
        """Let the processes go on. Call it after all of them were started."""
        # The workers now hold the only writing ends of the pipe on which they report.
        for end in (self._go, self._ready, self._for_web, self._before_working):
            os.close(end)
        os.close(self._before_go)

    def all_work(self) -> bool:
        """Return whether all workers have called `report_working`."""
        return _is_readable(self._working)

    def lacks_model(self) -> bool:
        """Return whether web could not import the model."""
        return _is_readable(self._no_model) and bool(os.read(self._no_model, 1))

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


def report_no_model() -> None:
    """Tell `manage.py dev` that the model cannot be imported."""
    if end := os.environ.get(_NO_MODEL, ""):
        with suppress(BrokenPipeError):  # `dev` was killed
            os.write(int(end), b"!")


def wait_until_ready() -> None:
    """Wait until `manage.py dev` has printed that the service is ready."""
    _wait(_READY)


def _wait(variable: str) -> None:
    if end := os.environ.pop(variable, ""):  # a child process must not see it
        os.read(int(end), 1)
        os.close(int(end))


def _is_readable(end: int) -> bool:
    return bool(select.select([end], [], [], 0)[0])
