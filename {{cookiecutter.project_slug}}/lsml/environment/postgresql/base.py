"""The database backend. Django finds the class by this module's and its name."""

import select

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, but it checks a connection without asking the server.

    Django sends `SELECT 1` before the first query of each request. A server that
    stopped has closed the connection or sent an error, so the socket is readable, and
    an idle connection in use never is.
    """

    def is_usable(self) -> bool:
        """Return whether the next statement would reach a server, and be committed.

        Django asks only outside transactions. One that is nevertheless open or failed
        was left by somebody, and would take the next statement with it.
        """
        if self.connection is None:
            return False
        if self.connection.pgconn.transaction_status != TransactionStatus.IDLE:
            return False  # also if the connection is closed
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0)
