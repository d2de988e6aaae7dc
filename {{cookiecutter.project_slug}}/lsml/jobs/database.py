"""Retries work while the database is down."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

Result = TypeVar("Result")
log = structlog.get_logger(__name__)

_PAUSE_S = 0.5


def retry_while_database_is_down(
    work: Callable[[], Result], *, give_up: Callable[[], bool] = lambda: False
) -> Result:
    """Run `work`, and retry it while the database does not answer.

    Args:
        work: Complete transactions that may run twice.
        give_up: Called after each failed try; True stops trying.

    Raises:
        OperationalError, InterfaceError: It was down for longer than
            TRAINING_OUTAGE_S, `give_up` returned True, or a transaction was open.
    """
    begun = time.monotonic()
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block:
                raise
            connection.close()
            down_s = time.monotonic() - begun
            if down_s > settings.TRAINING_OUTAGE_S or give_up():
                raise
            log.warning("database is down; waiting", error=str(error).strip())
        time.sleep(_PAUSE_S)
