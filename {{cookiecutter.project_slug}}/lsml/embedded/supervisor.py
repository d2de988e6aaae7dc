"""Runs the processes of `manage.py dev` as one: all live, or all end.

Why not honcho or another Procfile runner: none ties its children's lives to its own,
so a kill -9 leaves workers behind that go on taking from the queue.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lsml.embedded.programs import LAUNCHER

TICK_S = 0.1
STOP_S = 8.0  # how long processes may take to end before they are killed


@dataclass(frozen=True, slots=True)
class Service:
    """One process: what it is called in the output, and how it is started."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]


class ServiceDied(Exception):
    """A process ended that should have gone on."""

    def __init__(self, name: str, status: int) -> None:
        how = (
            f"was killed by {signal.Signals(-status).name}"
            if status < 0
            else f"ended with exit status {status}"
        )
        super().__init__(f"{name} {how}; everything else is stopped.")
        self.status = status


class Supervisor:
    """Starts services, passes on what they print, and ends them together.

    To be used from the main thread: the kernel ties a child's life to the thread that
    started it, not to the process.
    """

    def __init__(self, *, folder: Path, write: Callable[[str], None]) -> None:
        self._folder = folder
        self._write = write
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._outputs = selectors.DefaultSelector()
        self._unfinished: dict[str, bytes] = {}
        self._stop_requests = 0

    def start(self, service: Service) -> None:
        """Start one more process; its output appears under its name."""
        order = json.dumps({"parent": os.getpid()})
        process = subprocess.Popen(  # noqa: S603 - our own programs
            [sys.executable, "-I", "-S", str(LAUNCHER), order, *service.command],
            cwd=self._folder,
            env={**os.environ, **service.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C at the terminal reaches us alone; we end the others in order.
            start_new_session=True,
        )
        self._processes[service.name] = process
        self._outputs.register(process.stdout, selectors.EVENT_READ, service.name)  # type: ignore[arg-type]

    def run(self, each_tick: Callable[[], None]) -> None:
        """Watch until a stop is asked for (`request_stop`).

        Raises:
            ServiceDied: a process ended by itself.
        """
        while not self._stop_requests:
            self._pass_on_output(TICK_S)
            for name, process in self._processes.items():
                if process.poll() is not None:
                    self._pass_on_output(0)
                    raise ServiceDied(name, process.returncode)
            each_tick()

    def request_stop(self) -> None:
        """Make `run` return soon; a second request makes `stop` impatient."""
        self._stop_requests += 1

    def stop(self) -> None:
        """End all processes, those last that do not want to end by force."""
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        asked = self._stop_requests
        deadline = time.monotonic() + STOP_S
        while self._living() and time.monotonic() < deadline:
            if self._stop_requests > asked:
                break
            self._pass_on_output(TICK_S)
        for name in self._living():
            self._write(f"{name} does not end by itself and is killed\n")
        for process in self._processes.values():
            # The whole group: a killed web process must not leave its workers.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._pass_on_output(0)

    def _living(self) -> list[str]:
        return [name for name, one in self._processes.items() if one.poll() is None]

    def _pass_on_output(self, wait_s: float) -> None:
        if not self._outputs.get_map():
            time.sleep(wait_s)
            return
        for key, _ in self._outputs.select(wait_s):
            name = key.data
            chunk = os.read(key.fd, 65536)
            if not chunk:
                self._outputs.unregister(key.fileobj)
            lines = (self._unfinished.pop(name, b"") + chunk).split(b"\n")
            self._unfinished[name] = lines.pop() if chunk else b""
            width = max(map(len, self._processes))
            for line in filter(None, lines):
                text = line.decode(errors="replace")
                self._write(f"{name:<{width}} | {text}\n")
