"""Runs the processes of `manage.py dev` together: if one ends, all end.

Procfile runners such as honcho do not end their children when they are killed, so
kill -9 would leave workers behind that continue to take messages.
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
from dataclasses import dataclass, field
from pathlib import Path

from lsml.embedded.programs import LAUNCHER

TICK_S = 0.1
STOP_S = 8.0  # time to end before a process is killed


@dataclass(frozen=True, slots=True)
class Service:
    """One process: its name in the output, and its command."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    descriptors: Mapping[str, int] = field(default_factory=dict)  # by variable
    nice: int = 0  # added to the nice value


class ServiceDied(Exception):
    """A process ended unexpectedly."""

    def __init__(self, name: str, status: int) -> None:
        how = (
            f"was killed by {signal.Signals(-status).name}"
            if status < 0
            else f"ended with exit status {status}"
        )
        super().__init__(f"{name} {how}; all other processes are stopped.")
        self.status = status


class Supervisor:
    """Starts services, forwards their output, and ends them together.

    Use it in the main thread: the kernel kills a child when the thread that started it
    ends, not when the process ends.
    """

    def __init__(self, *, folder: Path, write: Callable[[str], None]) -> None:
        self._folder = folder
        self._write = write
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._outputs = selectors.DefaultSelector()
        self._unfinished: dict[str, bytes] = {}
        self._stop_requests = 0

    def start(self, service: Service) -> None:
        """Start one process. Its output appears under its name."""
        options = json.dumps({"parent": os.getpid(), "nice": service.nice})
        process = subprocess.Popen(  # noqa: S603 - our own programs
            [sys.executable, "-I", "-S", str(LAUNCHER), options, *service.command],
            cwd=self._folder,
            env={
                **os.environ,
                **service.environment,
                **{name: str(end) for name, end in service.descriptors.items()},
            },
            pass_fds=list(service.descriptors.values()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C in the terminal reaches only us, and we end the others in order.
            start_new_session=True,
        )
        self._processes[service.name] = process
        self._outputs.register(process.stdout, selectors.EVENT_READ, service.name)  # type: ignore[arg-type]

    def run(self, each_tick: Callable[[], None]) -> None:
        """Watch the processes until `request_stop` is called.

        Args:
            each_tick: called every TICK_S.

        Raises:
            ServiceDied: a process ended.
        """
        while not self._stop_requests:
            self._pass_on_output(TICK_S)
            for name, process in self._processes.items():
                if process.poll() is not None:
                    self._pass_on_output(0)
                    raise ServiceDied(name, process.returncode)
            each_tick()

    def request_stop(self) -> None:
        """Make `run` return soon. A second call makes `stop` kill at once."""
        self._stop_requests += 1

    def stop(self) -> None:
        """End all processes, and kill those that still run after STOP_S.

        A second call does nothing.
        """
        if not self._processes:
            return
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        requests_before = self._stop_requests
        deadline = time.monotonic() + STOP_S
        while self._living() and time.monotonic() < deadline:
            if self._stop_requests > requests_before:
                break
            self._pass_on_output(TICK_S)
        for name in self._living():
            self._write(f"{name} did not end in time and is killed\n")
        for process in self._processes.values():
            # The whole group: a killed web process must not leave its workers.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._pass_on_output(0)
        self._processes.clear()

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
