"""Keeps what changes the tables apart: `prepare`, `audit prune`, backups.

A change of a table waits for those who read it, and everybody else waits behind it. A
backup reads for hours. So such changes wait for a lock of their own first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection

SCHEMA_LOCK: Final = 0x6C736D6C0001


@contextmanager
def schema_lock(
    *, shared: bool = False, say: Callable[[str], object] = lambda _: None
) -> Iterator[None]:
    """Run the block while nobody else changes the tables, on any host.

    Args:
        shared: whether others that only read them may run meanwhile.
        say: receives a line if this has to wait.
    """
    how = "_shared" if shared else ""
    # Behind pgbouncer a session's lock would outlive its client, so a transaction
    # holds the lock. It needs its own connection, because migrations commit.
    holder = connection.copy()
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute(f"SELECT pg_try_advisory_xact_lock{how}(%s)", [SCHEMA_LOCK])
            if not cursor.fetchone()[0]:
                say("waiting for `prepare`, `audit prune` or a backup to finish …")
                cursor.execute(f"SELECT pg_advisory_xact_lock{how}(%s)", [SCHEMA_LOCK])
        yield
    finally:
        holder.close()
