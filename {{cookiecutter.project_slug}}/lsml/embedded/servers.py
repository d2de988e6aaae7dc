"""PostgreSQL and a broker out of Python wheels, for development and tests.

`manage.py dev` and the test session use them; production never does. Any number of
processes may use the servers of one data folder: the first starts them, the last
stops them. Both are known by locks that the kernel releases, so nothing has to be
tidied up after a kill -9: servers left behind are found by their sockets and used on.
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
    """Have the chosen servers run at the addresses of `lsml.embedded.addresses`.

    Args:
        data_dir: the folder that holds everything the servers keep; made if missing.
        postgres: whether PostgreSQL is wanted.
        broker: whether the Redis-protocol broker is wanted.
        durable: False trades safety against power loss for speed (tests).
        say: is given a line when a wait is long enough to wonder.

    Raises:
        ServerError: a server cannot be started; the message names the next step.
    """
    prepare_folders(data_dir)
    database = Postgres(data_dir, durable=durable, say=say)
    queue = Valkey(data_dir, say=say)
    with ExitStack() as stack:
        try:
            users = Hold(data_dir / "users.lock")
            # The last one stops both: an earlier user may have started the other.
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
            if users.alone():
                for server in servers:
                    server.stop()
                remove_outside_sockets(data_dir)
    finally:
        users.release()
