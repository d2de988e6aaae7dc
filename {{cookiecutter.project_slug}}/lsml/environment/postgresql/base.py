"""The database backend. Django finds the class by this module's and its name."""

import select
import time
from typing import Any, TypeVar

import psycopg
from django.conf import settings
from django.db import OperationalError
from django.db.backends.postgresql import base
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

Answer = TypeVar("Answer")

_LATER_S = 1.0  # than the server, which ends a statement by its own timeout
# A thread that gave up a statement does not connect again within the same request, and
# in a thread without requests for so long.
_NO_CONNECTION_S = 5.0


class _LimitedConnection(psycopg.Connection[Any]):
    """Ends the wait for a server that is frozen, or cut off behind a proxy.

    Such a server does not end a statement that takes too long, and the network is
    fine, so nothing else would end the wait.
    """

    gave_up = False  # waiting for an answer

    def wait(
        self,
        gen: PQGen[Answer],
        interval: float = 0.1,
        timeout: float | None = None,
    ) -> Answer:
        """Wait as psycopg does, and close the connection if that takes too long.

        Raises:
            OperationalError: It took too long, or the connection broke.
        """
        if timeout is None:
            timeout = settings.DATABASE_STATEMENT_TIMEOUT_MS / 1000 + _LATER_S
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.gave_up = True
                self.close()  # its answer may come later, and nobody would read it
            raise


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, but it waits for a limited time, and checks connections by itself.

    Django sends `SELECT 1` before the first query of each request. A server that
    stopped has closed the connection or sent an error, so the socket is readable, and
    an idle connection in use never is.
    """

    _no_connection_until = 0.0  # time.monotonic()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect; limit how long web and model processes wait for each statement.

        Raises:
            OperationalError: There is no connection, or this request has already waited
                for an answer as long as it may.
        """
        if time.monotonic() < self._no_connection_until:
            raise OperationalError("The database does not answer.")
        connection = super().get_new_connection(conn_params)
        if (
            settings.PROCESS in {"web", "model"}
            and settings.DATABASE_STATEMENT_TIMEOUT_MS
        ):
            connection.__class__ = _LimitedConnection  # Django chooses no other class
        return connection

    def close(self) -> None:
        """Close the connection, and remember whether it was given up."""
        if getattr(self.connection, "gave_up", False):
            self._no_connection_until = time.monotonic() + _NO_CONNECTION_S
        super().close()

    def close_if_unusable_or_obsolete(self) -> None:
        """Do what Django does before and after each request, and let it connect."""
        super().close_if_unusable_or_obsolete()
        self._no_connection_until = 0.0

    def is_usable(self) -> bool:
        """Return whether the next statement would reach a server, and be committed."""
        if self.connection is None or self.connection.closed or self.was_left_open():
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0)

    def was_left_open(self) -> bool:
        """Return whether somebody's code has left a transaction open.

        The next statement would be part of it, and never be committed.
        """
        if self.connection is None or self.in_atomic_block:
            return False
        status = self.connection.pgconn.transaction_status
        return status != TransactionStatus.IDLE or not self.autocommit
