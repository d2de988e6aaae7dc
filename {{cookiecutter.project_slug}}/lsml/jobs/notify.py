"""The doorbell: a Celery message that says "look at the tables", and nothing else.

Every ring may be lost, late or doubled. What waits stands in PostgreSQL, and the
sweeper rings again; so a ring that fails is a log line, never an error.
"""

import threading
import time

import structlog
from celery import current_app
from kombu.exceptions import KombuError, OperationalError

from lsml.observability.metrics import notify_failures

PROCESS_INBOX = (
    "lsml.training.tasks.process_inbox"  # by name: services know no Celery tasks
)
TRAIN = "lsml.training.tasks.train"

# After a failed ring nobody tries for so long: a mute broker costs one request 100 ms,
# not every request.
PAUSE_AFTER_FAILURE_S = 5.0
# Of rings for one project that come closer than this, the first and the last are sent:
# a hundred annotations a second must not become a hundred messages.
AT_MOST_EVERY_S = 0.2
# A ring that nobody took for so long is not worth taking: the sweeper has rung since.
PROCESS_INBOX_EXPIRES_S = 60.0

log = structlog.get_logger(__name__)


class Breaker:
    """Remembers that the broker just failed."""

    def __init__(self) -> None:
        self._until = 0.0  # monotonic seconds
        self._lock = threading.Lock()

    @property
    def open(self) -> bool:
        """Whether it failed so recently that asking again is a waste."""
        return time.monotonic() < self._until

    def trip(self) -> bool:
        """Note a failure; says whether it is the first of a series."""
        with self._lock:
            first = not self.open
            self._until = time.monotonic() + PAUSE_AFTER_FAILURE_S
            return first

    def mend(self) -> None:
        """Forget the last failure."""
        self._until = 0.0


class Coalescer:
    """Sends the first of many rings for a project at once, and one more afterwards."""

    def __init__(self) -> None:
        self._sent_at: dict[int, float] = {}  # project -> monotonic seconds
        self._owed: set[int] = set()
        self._lock = threading.Lock()

    def notify(self, project_id: int) -> None:
        """Ring for a project, now or a little later; returns at once where later."""
        now = time.monotonic()
        with self._lock:
            if project_id in self._owed:
                return
            wait_s = self._sent_at.get(project_id, 0.0) + AT_MOST_EVERY_S - now
            if wait_s > 0:
                self._owed.add(project_id)
                later = threading.Timer(wait_s, self._send_owed, [project_id])
                later.daemon = True  # if this process ends first, the sweeper rings
                later.start()
                return
            self._sent_at[project_id] = now
        notify(PROCESS_INBOX, project_id, expires=PROCESS_INBOX_EXPIRES_S)

    def _send_owed(self, project_id: int) -> None:
        with self._lock:
            self._owed.discard(project_id)
            self._sent_at[project_id] = time.monotonic()
        notify(PROCESS_INBOX, project_id, expires=PROCESS_INBOX_EXPIRES_S)


breaker = Breaker()
_coalescer = Coalescer()


def notify_project(project_id: int) -> None:
    """Have a worker look at a project's inbox; bounded by settings, ~0.1 s."""
    _coalescer.notify(project_id)


def notify(task: str, pk: int, *, expires: float) -> bool:
    """Send the message, unless the broker just failed; bounded by settings, ~0.1 s.

    Args:
        task: ATTEND or TRAIN.
        pk: Of the project, or of the run.
        expires: Seconds after which a worker drops the message unread.

    Returns:
        Whether the broker took it.
    """
    if breaker.open:
        return False
    try:
        current_app.send_task(task, args=(pk,), expires=expires)
    except (OperationalError, KombuError, OSError) as error:
        notify_failures.inc()
        if breaker.trip():
            log.warning(
                "broker did not answer; the sweeper will ring",
                task=task,
                error=str(error),
            )
        return False
    return True
