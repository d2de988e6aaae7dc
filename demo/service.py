"""Installs, starts, watches and stops the baked project."""

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.screen import Step, StepFailed

START_S = 120.0
STOP_S = 30.0
TAIL_LINES = 25
PORT_MAX = 65535


def check_port(port: int) -> None:
    """Check that the port is free.

    Raises:
        StepFailed: The port is in use, not permitted, or no port.
    """
    if not 1 <= port <= PORT_MAX:
        raise StepFailed(
            f"{port} is not a port: choose a number from 1 to {PORT_MAX},"
            " for example make demo PORT=9091"
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StepFailed(
                f"Port {port} cannot be used ({error.strerror}):"
                f" choose another one, for example make demo PORT={port + 1}"
            ) from error


def remove_data(project: Path) -> None:
    """Remove the data of an earlier demo.

    Raises:
        StepFailed: A demo (or `make dev`) is running in that folder.
    """
    data = project / ".data"
    if not data.exists():
        return
    lock = data / "dev.lock"
    if lock.exists():
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StepFailed(
                    f"A service already runs in {project}: stop it first (Ctrl-C)"
                ) from None
    if any(data.rglob("postmaster.pid")):  # it was killed; its servers may still run
        imports = "from lsml.embedded.servers import running; from pathlib import Path"
        code = f"{imports}\nwith running(Path('.data')): pass"
        subprocess.run([python(project), "-c", code], cwd=project, check=False)
    subprocess.run(["rm", "-rf", str(data)], check=True)


def python(project: Path) -> str:
    """Return the path of the project's interpreter."""
    return str(project / ".venv/bin/python")


def install(project: Path, step: Step) -> None:
    """Run the project's `make install`.

    Raises:
        StepFailed: It failed. The message has the end of its output.
    """
    log = project.with_name("demo-install.log")
    with log.open("w") as file:
        make = subprocess.Popen(
            ["make", "-C", str(project), "install"],
            stdout=file, stderr=subprocess.STDOUT, env=_environment(),
        )  # fmt: skip
    while make.poll() is None:
        step.waiting(_tail(log, 1) or "make install")
        time.sleep(0.2)
    if make.returncode:
        raise StepFailed(f"make install failed:\n{_tail(log, TAIL_LINES)}")


class Service:
    """A running `manage.py dev`."""

    def __init__(self, project: Path, port: int) -> None:
        """Start it in the background."""
        self._log = project.with_name("demo.log")
        with self._log.open("w") as file:
            self._process = subprocess.Popen(
                [python(project), "manage.py", "dev", "--port", str(port)],
                cwd=project, stdout=file, stderr=subprocess.STDOUT,
                env=_environment(), stdin=subprocess.DEVNULL,
                # Ctrl-C reaches the demo only, which then stops the service.
                start_new_session=True,
                preexec_fn=_stop_with_parent,  # noqa: PLW1509 - no threads here
            )  # fmt: skip

    def wait_until_ready(self, step: Step) -> None:
        """Wait until it prints `ready:`. Then its workers take messages as well.

        Raises:
            StepFailed: It ended, or was not ready in time. With the end of its output.
        """
        while not self._is_ready():
            self.check()
            if step.seconds > START_S:
                raise StepFailed(f"it did not answer in time:\n{self.tail()}")
            step.waiting(_tail(self._log, 1))
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        lines = self._log.read_text(errors="replace").splitlines()
        return any(line.startswith("ready: ") for line in lines)

    def check(self) -> None:
        """Raise StepFailed if the service has ended."""
        if self._process.poll() is not None:
            raise StepFailed(f"the service ended:\n{self.tail()}")

    def tail(self) -> str:
        """Return the last lines it printed."""
        return _tail(self._log, TAIL_LINES)

    def stop(self) -> None:
        """Send SIGTERM; send SIGKILL after `STOP_S` seconds."""
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Records:
    """Reads what the project recorded."""

    def __init__(self, project: Path) -> None:
        """Start `demo/records.py` in the project's environment."""
        self._process = subprocess.Popen(
            [python(project), str(Path(__file__).with_name("records.py"))],
            cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True, env=_environment(),
        )  # fmt: skip

    def read(self) -> dict[str, Any]:
        """Return the current result of `demo.records.recorded`."""
        request, response = self._process.stdin, self._process.stdout
        line = ""
        if request and response:
            request.write("\n")
            request.flush()
            line = response.readline()
        if not line:
            raise StepFailed("the records cannot be read")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End the program."""
        self._process.communicate()


@contextmanager
def running(service: Service) -> Iterator[Service]:
    """Stop the service on exit, also after an error."""
    try:
        yield service
    finally:
        service.stop()


def read_env(project: Path) -> dict[str, str]:
    """Return the baked `.env`."""
    lines = (project / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and line[0] != "#")


def _environment() -> dict[str, str]:
    # The project's settings apply, not those of this shell or this make.
    foreign = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PORT", "VIRTUAL_ENV", "PYTHONPATH"}
    return {name: os.environ[name] for name in set(os.environ) - foreign}


def _stop_with_parent() -> None:
    """Have the kernel send SIGTERM when the demo is killed (Linux only)."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _tail(log: Path, lines: int) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
