"""Finds the server programs in their wheels and runs them as the right user."""

import importlib.util
import json
import os
import pwd
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lsml.embedded.addresses import owner_id
from lsml.embedded.errors import ServerError

Say = Callable[[str], None]

LAUNCHER = Path(__file__).with_name("launch.py")
# Crash recovery of a large database takes minutes. A server's death is noticed at once.
START_TIMEOUT_S = 300.0
QUIET_S = 2.0  # a longer wait is announced
POLL_S = 0.02


def program(package: str, path: str) -> str:
    """Return the path of a program in an installed wheel.

    Raises:
        ServerError: the wheel is not installed.
    """
    # Not imported: both wheels import a client and install signal handlers.
    spec = importlib.util.find_spec(package)
    for place in (spec and spec.submodule_search_locations) or []:
        found = Path(place, path)
        if found.exists():
            return str(found)
    raise ServerError(
        f"The embedded servers need the package {package.replace('_', '-')}, which is"
        " not installed for this system: run `make install`, or set DATABASE_URL and"
        " CELERY_BROKER_URL to servers of your own."
    )


def server_account(data_dir: Path) -> tuple[int, int] | None:
    """Return the user and group id to run a server as, or None for our own.

    Root runs it as the owner of the data folder. If root owns the folder, as `nobody`.
    """
    if os.geteuid() != 0:
        return None
    try:
        owner = owner_id(data_dir)
        entry = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
    except KeyError as error:
        raise ServerError(
            "PostgreSQL refuses to run as root, and the account to use instead does"
            f" not exist ({error.args[0]}): run the command as an ordinary user, or"
            " set DATABASE_URL to a server of your own."
        ) from error
    return entry.pw_uid, entry.pw_gid


def run(
    command: list[str], *, account: tuple[int, int] | None
) -> subprocess.CompletedProcess[str]:
    """Run a program until it ends. `stdout` has its output and errors."""
    return subprocess.run(  # noqa: S603 - our own programs
        _launched(command, account=account),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=_environment(),
        check=False,
    )


class BackgroundProgram:
    """A server that starts in the background, watched until it is ready."""

    def __init__(
        self, command: list[str], *, log: Path, account: tuple[int, int] | None
    ) -> None:
        # The server inherits the writing end and never uses it: end of file means that
        # it died. A process id could belong to another process by then.
        self._sign_of_life, inherited = os.pipe()
        try:
            starter = subprocess.run(  # noqa: S603 - our own programs
                _launched(command, account=account, log=str(log), background=True),
                pass_fds=[inherited],
                env=_environment(),
                check=False,
            )
        finally:
            os.close(inherited)
        self._failed = starter.returncode != 0

    def wait_until(self, ready: Callable[[], bool], *, what: str, say: Say) -> bool:
        """Wait until it is ready. Return False if it died before that.

        Raises:
            ServerError: it runs, but was not ready within START_TIMEOUT_S.
        """
        started = announced = time.monotonic()
        while not self._has_died():
            if ready():
                return True
            now = time.monotonic()
            if now - started > START_TIMEOUT_S:
                raise ServerError(
                    f"{what} was not ready after {START_TIMEOUT_S:.0f} s: see its log"
                    " in the data folder, and try again."
                )
            if now - announced > QUIET_S:
                say(f"waiting for {what} ({now - started:.0f} s) …")
                announced = now
        return False

    def close(self) -> None:
        os.close(self._sign_of_life)

    def _has_died(self) -> bool:
        readable, _, _ = select.select([self._sign_of_life], [], [], POLL_S)
        return self._failed or bool(readable)


def last_error(log: Path) -> str:
    """Return the line of a log that best explains why its server stopped."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    fatal = [line for line in lines if any(word in line for word in _FATAL_WORDS)]
    return (fatal or lines or ["its log is empty"])[-1].strip()


_FATAL_WORDS = ("FATAL:", "PANIC:", "Fatal error", "cannot be started")


def _launched(
    command: list[str],
    *,
    account: tuple[int, int] | None,
    log: str | None = None,
    background: bool = False,
) -> list[str]:
    options = json.dumps({"user": account, "log": log, "background": background})
    # -I and -S: root loads no code of the project or of site-packages.
    return [sys.executable, "-I", "-S", str(LAUNCHER), options, *command]


def _environment() -> dict[str, str]:
    # PGDATA, PGPORT and similar would lead the programs elsewhere. The fixed locale
    # keeps messages in English, so that they can be parsed.
    kept = {name: value for name, value in os.environ.items() if name[:2] != "PG"}
    return {**kept, "LC_ALL": "C"}
