"""Waiting for a database that is away: what was begun goes on when it is back."""

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
    """Do `work`, again and again while the database does not answer.

    Args:
        work: Whole transactions, harmless when done twice.
        give_up: Asked between tries.

    Raises:
        OperationalError, InterfaceError: It was away for TRAINING_OUTAGE_S.
    """
    begun = time.monotonic()
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block:
                raise
            connection.close()
            away_s = time.monotonic() - begun
            if away_s > settings.TRAINING_OUTAGE_S or give_up():
                raise
            log.warning("database is away; waiting", error=str(error).strip())
        time.sleep(_PAUSE_S)
