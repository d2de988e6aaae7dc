"""Starts and stops the embedded servers, for `manage.py dev` and the test session.

Any number of processes may use the servers of one data folder: the first starts them,
the last stops them. Locks count the processes, and the kernel releases them, so kill -9
needs no cleanup: the next process finds the servers by their sockets and uses them.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lsml.embedded.folders import (
    Hold,
    exclusively,
    not_writable,
    prepare_folders,
    remove_outside_sockets,
)
from lsml.embedded.postgres import Postgres
from lsml.embedded.programs import Say
from lsml.embedded.valkey import Valkey


@contextmanager
def running(
    data_dir: Path,
    *,
    postgres: bool = True,
    broker: bool = True,
    durable: bool = True,
    say: Say = print,
) -> Iterator[None]:
    """Run the chosen servers at the addresses of `lsml.embedded.addresses`.

    Args:
        data_dir: folder for all files of the servers; created if missing.
        postgres: whether to run PostgreSQL.
        broker: whether to run the Redis-protocol broker.
        durable: False is faster, but a power failure can lose data (for tests).
        say: receives a line during a long wait.

    Raises:
        ServerError: a server cannot be started. The message has the next step.
    """
    prepare_folders(data_dir)
    database = Postgres(data_dir, durable=durable, say=say)
    queue = Valkey(data_dir, say=say)
    with ExitStack() as stack:
        try:
            users = Hold(data_dir / "users.lock")
            # The last process stops both: another one may have started the other.
            stack.callback(_leave, users, [queue, database], data_dir, say)
            with exclusively(data_dir / "starting.lock", say=say):
                users.share()
                if postgres:
                    database.start()
                if broker:
                    queue.start()
        except OSError as error:
            raise not_writable(error, data_dir) from error
        yield


def _leave(
    users: Hold, servers: list[Postgres | Valkey], data_dir: Path, say: Say
) -> None:
    try:
        with exclusively(data_dir / "starting.lock", say=say):
            if users.try_exclusive():
                for server in servers:
                    server.stop()
                remove_outside_sockets(data_dir)
    finally:
        users.release()
