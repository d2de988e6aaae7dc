"""Shows that a worker or beat works, to the health check of its container.

They answer no requests, so they touch a file every few seconds, and the health check
looks at its age. ALIVE_FILE names it; without that there is none.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from celery.bootsteps import StartStopStep
from django.conf import settings

_EVERY_S: Final = 5.0


def show_alive() -> None:
    """Touch the file."""
    if settings.ALIVE_FILE:
        with suppress(OSError):  # then only the health check fails
            Path(settings.ALIVE_FILE).touch()


class AliveStep(StartStopStep):
    """Touches the file while a worker is connected to the broker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    _entry: Any = None  # of the worker's timer

    def start(self, parent: Any) -> None:
        """Begin, whenever the worker has connected."""
        show_alive()
        self._entry = parent.timer.call_repeatedly(_EVERY_S, show_alive)

    def stop(self, parent: Any) -> None:
        """End, because the connection was lost or the worker stops."""
        if self._entry is not None:
            parent.timer.cancel(self._entry)
            self._entry = None
