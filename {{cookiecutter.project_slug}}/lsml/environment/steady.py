"""The time for beat's schedule, which does not jump when the host's clock is set."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

_STARTED_AT: Final = datetime.now(UTC)
_STARTED_S: Final = time.monotonic()


def steady_now() -> datetime:
    """Return the time since this process started, added to the time of its start.

    With the host's time, a clock set back by an hour would stop beat for an hour.
    """
    return _STARTED_AT + timedelta(seconds=time.monotonic() - _STARTED_S)
