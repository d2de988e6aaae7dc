"""PgBouncer between the service and PostgreSQL, pooling transactions."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from lsml.embedded.addresses import socket_folder
from lsml.embedded.programs import server_account
from tests.chaos.servers import free_port, is_open

PROGRAM = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"


class PgBouncer:
    """The installed PgBouncer. Programs reach the database under `url`."""

    name = "pgbouncer"

    def __init__(self, folder: Path):
        self._home = folder / "pgbouncer"
        self._home.mkdir()
        self._account = server_account(folder)
        self._port = free_port()
        self._process = None
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/lsml"
        (self._home / "users").write_text('"postgres" ""\n')
        (self._home / "settings").write_text(
            f"[databases]\n* = host={socket_folder(folder)} user=postgres\n"
            "[pgbouncer]\nlisten_addr=127.0.0.1\nunix_socket_dir=\nlogfile=\n"
            f"listen_port={self._port}\nauth_type=any\nauth_file={self._home}/users\n"
            "pool_mode=transaction\ndefault_pool_size=20\nmax_client_conn=500\n"
        )

    @staticmethod
    def available():
        return Path(PROGRAM).exists()

    def start(self):
        command = [PROGRAM, str(self._home / "settings")]
        if os.geteuid() == 0:  # it refuses to run as root
            uid, gid = self._account
            # The socket lies in a folder that only its owner may enter.
            right = "+dac_override"
            command = [
                *("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"),
                *(f"--inh-caps={right}", f"--ambient-caps={right}", *command),
            ]
        with (self._home / "output").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        while not is_open(self._port):
            if self._process.poll() is not None:
                raise RuntimeError((self._home / "output").read_text()[-2000:])
            time.sleep(0.05)

    def stop(self):
        """Stop at once, and close all connections."""
        self._end(signal.SIGTERM)

    def kill(self):
        self._end(signal.SIGKILL)

    def _end(self, number):
        self._process.send_signal(number)
        self._process.wait()
