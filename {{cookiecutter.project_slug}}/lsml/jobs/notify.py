"""Wakes a worker with a Celery message that only says "look at the tables".

A message may be lost, late or duplicated. What waits is in PostgreSQL, and the sweeper
sends again, so a message that cannot be sent is logged and is never an error. A message
has no time after which a worker drops it: it would be one host's time, judged by
another host's clock.
"""

import threading
import time

import structlog
from celery import current_app
from kombu.exceptions import KombuError, OperationalError

from lsml.jobs.workers import messages_waiting, queue_of
from lsml.observability.metrics import broker_up, notify_failures

# RabbitMQ removes a message that waited so long, by its own clock. Redis keeps it, so a
# late message must cost little.
KEPT_S = 60.0
# The sweeper sends nothing to a queue in which so many messages wait already. So while
# all workers are busy or down, it does not send thousands.
WAITING_MAX = 100

# After a failure no message is sent for this long. So a broker that does not answer
# delays one request by 100 ms and not every request.
PAUSE_AFTER_FAILURE_S = 5.0
# The first notification about a row is sent at once; those that follow within this time
# share one later message. So a hundred annotations a second do not send a hundred.
AT_MOST_EVERY_S = 0.2

log = structlog.get_logger(__name__)


class Breaker:
    """Remembers that the broker failed recently."""

    def __init__(self) -> None:
        self._until = 0.0  # monotonic seconds
        self._lock = threading.Lock()

    @property
    def open(self) -> bool:
        """Whether the broker failed less than PAUSE_AFTER_FAILURE_S ago."""
        return time.monotonic() < self._until

    def trip(self) -> bool:
        """Record a failure; return whether it is the first of a series."""
        with self._lock:
            first = not self.open
            self._until = time.monotonic() + PAUSE_AFTER_FAILURE_S
            return first


breaker = Breaker()


def notify(task: str, pk: int) -> bool:
    """Send a message, unless the broker failed recently. Takes at most about 0.1 s.

    Args:
        task: Name of the Celery task; services do not import tasks.
        pk: Primary key of the row that the worker should look at.

    Returns:
        Whether the broker accepted it.
    """
    if breaker.open:
        return False
    try:
        current_app.send_task(task, args=(pk,), expiration=KEPT_S)
    except (OperationalError, KombuError, OSError) as error:
        notify_failures.inc()
        broker_up.set(0)
        if breaker.trip():
            log.warning(
                "broker did not answer; the sweeper will send again",
                task=task,
                error=str(error),
            )
        return False
    broker_up.set(1)
    return True


def is_backed_up(task: str) -> bool:
    """Return whether WAITING_MAX messages wait in a task's queue.

    False if the broker does not say.
    """
    if breaker.open:
        return False
    return (messages_waiting(queue_of(task)) or 0) >= WAITING_MAX


class Coalescer:
    """Sends the first of many messages about a row at once, and one for the others."""

    def __init__(self, task: str) -> None:
        self._task = task
        self._sent_at: dict[int, float] = {}  # pk -> monotonic seconds
        self._owed: set[int] = set()
        self._lock = threading.Lock()

    def notify(self, pk: int) -> None:
        """Send now, or within AT_MOST_EVERY_S from another thread."""
        now = time.monotonic()
        with self._lock:
            self._sent_at = {
                other: at
                for other, at in self._sent_at.items()
                if at > now - AT_MOST_EVERY_S
            }
            if pk in self._owed:
                return
            wait_s = self._sent_at.get(pk, 0.0) + AT_MOST_EVERY_S - now
            if wait_s > 0:
                self._owed.add(pk)
                later = threading.Timer(wait_s, self._send_owed, [pk])
                later.daemon = True  # if this process ends first, the sweeper sends it
                later.start()
                return
            self._sent_at[pk] = now
        notify(self._task, pk)

    def _send_owed(self, pk: int) -> None:
        with self._lock:
            self._owed.discard(pk)
            self._sent_at[pk] = time.monotonic()
        notify(self._task, pk)
