"""Runs the embedded PostgreSQL for a command, if no other is set."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from django.conf import settings


def database_running(*, say: Callable[[str], None]) -> AbstractContextManager[None]:
    """Return a block in which the database runs. `make dev` may run it already."""
    if settings.DATABASE_URL:
        return nullcontext()
    from lsml.embedded.servers import running  # here: not in production

    return running(settings.DATA_DIR, broker=False, say=say)
