"""Compares this host's clock with PostgreSQL's, which all processes have in common.

Jobs and messages do not depend on the clocks of two hosts. The times in the audit log,
and training policies that wait for quiet, do.
"""

import time
from typing import Final

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from lsml.environment.pace import Pace

log = structlog.get_logger(__name__)

CLOCK_SKEW_MAX_S: Final = 5.0
CLOCK_HINT: Final = "Synchronize the clocks of all hosts (NTP), then restart."
_CHECK_EVERY_S: Final = 600.0

_pace = Pace()


def clock_skew_s() -> float:
    """Return how many seconds this host's clock is ahead of PostgreSQL's.

    Negative if it is behind. Accurate to half the time that the query takes.

    Raises:
        DatabaseError: PostgreSQL does not answer.
    """
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        after = time.time()
        return (before + after) / 2 - float(cursor.fetchone()[0])


def skew_in_words(skew_s: float) -> str:
    """Say by how much this host's clock is wrong; empty if it is right."""
    if abs(skew_s) <= CLOCK_SKEW_MAX_S:
        return ""
    direction = "ahead of" if skew_s > 0 else "behind"
    return f"This host's clock is {abs(skew_s):.0f} s {direction} PostgreSQL's."


def warn_of_clock_skew() -> None:
    """Log a warning if this host's clock is wrong; look every ten minutes at most."""
    if not _pace.allows(every_s=_CHECK_EVERY_S):
        return
    try:
        skew_s = clock_skew_s()
    except DatabaseError:  # others report it
        return
    if words := skew_in_words(skew_s):
        log.warning("clock is wrong", skew_s=round(skew_s, 1), why=words, do=CLOCK_HINT)
