"""The doorbell: a Celery message that says "look at the tables", and nothing else.

Every ring may be lost, late or doubled. What waits stands in PostgreSQL, and the
sweeper rings again; so a ring that fails is a log line, never an error.
"""

import threading
import time

import structlog
from celery import current_app
from kombu.exceptions import KombuError, OperationalError

ATTEND = "lsml.training.tasks.attend"  # by name: services know no Celery tasks
TRAIN = "lsml.training.tasks.train"

log = structlog.get_logger(__name__)

# After a failed ring nobody tries for so long: a mute broker costs one request 100 ms,
# not every request.
PAUSE_AFTER_FAILURE_S = 5.0

_broken_until = 0.0  # monotonic seconds
_lock = threading.Lock()


def ring(task: str, pk: int, *, expires: float | None = None) -> bool:
    """Send the message, unless the broker just failed; bounded by settings, ~0.1 s.

    Args:
        task: ATTEND or TRAIN.
        pk: Of the project, or of the run.
        expires: Seconds after which a worker drops the message unread.

    Returns:
        Whether the broker took it.
    """
    global _broken_until  # noqa: PLW0603 - one breaker per process
    if time.monotonic() < _broken_until:
        return False
    try:
        current_app.send_task(task, args=(pk,), expires=expires)
    except (OperationalError, KombuError, OSError) as error:
        with _lock:
            first = time.monotonic() >= _broken_until
            _broken_until = time.monotonic() + PAUSE_AFTER_FAILURE_S
        if first:
            log.warning(
                "broker did not answer; the sweeper will ring",
                task=task,
                error=str(error),
            )
        return False
    return True


def mend() -> None:
    """Forget the last failure (for tests)."""
    global _broken_until  # noqa: PLW0603 - see ring
    _broken_until = 0.0
