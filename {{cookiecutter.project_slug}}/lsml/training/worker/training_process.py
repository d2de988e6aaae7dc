"""Starts, reads from and ends training processes, for the worker.

One thread that lives as long as the worker starts all of them: the kernel kills a child
when the *thread* that started it ends, and Celery's threads come and go.
"""

import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import orjson
from django.conf import settings

_CHUNK = 1 << 16
_DRAIN_S = 1.0
_SIGNAL_WORDS = {
    signal.SIGSEGV: "crashed in native code (segmentation fault)",
    signal.SIGBUS: "crashed in native code (bus error)",
    signal.SIGFPE: "crashed in native code (arithmetic error)",
    signal.SIGILL: "crashed in native code (illegal instruction)",
    signal.SIGABRT: "was aborted by native code (SIGABRT)",
    signal.SIGKILL: "was killed (SIGKILL), as the kernel does when memory runs out",
}


class TrainingProcess:
    """A process group with one training in it."""

    def __init__(self) -> None:
        """Start the process.

        Raises:
            OSError: No memory, no process ID or no file descriptor is left.
        """
        self._report_end, write_end = os.pipe()
        try:
            self._process = _started(write_end)
        except OSError:
            os.close(self._report_end)
            raise
        finally:
            os.close(write_end)
        self._exit_end = os.pidfd_open(self._process.pid)
        self._half_line = b""
        assert self._process.stdout is not None  # noqa: S101 - a pipe, see _started
        self._output_end = self._process.stdout.fileno()
        self._open = {self._report_end, self._output_end}
        for end in self._open:
            os.set_blocking(end, False)

    @property
    def pid(self) -> int:
        """The ID of the process and of its group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs, apart from those that it started."""
        return self._process.poll() is None

    def send(self, line: str) -> None:
        """Write a line to the process, if it still runs."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe, see _started
        with suppress(BrokenPipeError):
            self._process.stdin.write(line.encode() + b"\n")

    def listen(self, timeout_s: float) -> tuple[list[dict[str, Any]], bytes]:
        """Wait up to `timeout_s` seconds; return the messages and the printed bytes."""
        ready, _, _ = select.select([*self._open, self._exit_end], [], [], timeout_s)
        printed = self._read(self._output_end) if self._output_end in ready else b""
        messages = []
        if self._report_end in ready:
            *lines, self._half_line = (
                self._half_line + self._read(self._report_end)
            ).split(b"\n")
            messages = [orjson.loads(line) for line in lines]
        return messages, printed

    def drain(self) -> tuple[list[dict[str, Any]], bytes]:
        """Return everything that was written before the process ended.

        Call after `kill`: processes that the training started may write without end.
        Those that left the process group are read for at most a second.
        """
        messages: list[dict[str, Any]] = []
        printed = b""
        until = time.monotonic() + _DRAIN_S
        while time.monotonic() < until:
            some, text = self.listen(0)
            if not some and not text:
                break
            messages += some
            printed += text
        return messages, printed

    def kill(self) -> None:
        """Kill the process group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Kill the process group, and close all descriptors."""
        self.kill()
        for end in (self._report_end, self._exit_end):
            os.close(end)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def memory_mb(self) -> float:
        """Return the memory of the whole group in MB, without shared pages."""
        return sum(_resident_mb(pid) for pid in _group(self._process.pid))

    def exit_reason(self) -> str:
        """Return why the process ended, as a sentence."""
        status = self._process.wait()
        if status >= 0:
            return (
                f"The training process ended itself with status {status} before"
                " the training was finished (os._exit?)."
            )
        number = signal.Signals(-status)
        words = _SIGNAL_WORDS.get(number, f"was ended by {number.name}")
        return f"The training process {words}."

    def _read(self, end: int) -> bytes:
        try:
            data = os.read(end, _CHUNK)
        except BlockingIOError:
            return b""
        if not data:
            self._open.discard(end)
        return data


def _started(report_end: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "lsml.training.process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        pass_fds=[report_end],
        start_new_session=True,  # a group of its own, to be killed as a whole
        cwd=settings.BASE_DIR,
        env=os.environ
        | {
            "LSML_PROCESS": "worker",
            "LSML_REPORT_FD": str(report_end),
            "LSML_WORKER_PID": str(os.getpid()),
            "LOG_FORMAT": "console",
            "PYTHONUNBUFFERED": "1",
        },
    )


def _group(pgid: int) -> list[int]:
    """Return the processes of a group, from /proc; ignore those that end meanwhile."""
    members = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - thousands of names, no paths
        if name.isdecimal():
            try:
                if os.getpgid(int(name)) == pgid:
                    members.append(int(name))
            except ProcessLookupError:
                continue
    return members


def _resident_mb(pid: int) -> float:
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:  # noqa: PTH123
            _, resident, shared, *_ = map(int, statm.read().split())
    except OSError:
        return 0.0
    return (resident - shared) * os.sysconf("SC_PAGESIZE") / (1 << 20)


class WarmProcess:
    """Starts training processes, and keeps one ready: loading takes a second."""

    def __init__(self) -> None:
        self._wanted: queue.Queue[Future[TrainingProcess]] = queue.Queue()
        self._ready: TrainingProcess | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def take(self) -> TrainingProcess:
        """Return the warm process, or start one now.

        Raises:
            OSError: No process can be started.
        """
        with self._lock:
            process, self._ready = self._ready, None
        if process is not None:
            if process.alive:
                return process
            process.close()
        return self._start()

    def prepare(self) -> None:
        """Start a process for the next run, unless TRAINING_SPARE is off.

        Raises:
            OSError: No process can be started.
        """
        with self._lock:
            if self._ready is not None or not settings.TRAINING_SPARE:
                return
            self._ready = self._start()

    def dismiss(self) -> None:
        """End the warm process, because the worker stops."""
        with self._lock:
            process, self._ready = self._ready, None
        if process is not None:
            process.close()

    def _start(self) -> TrainingProcess:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True)
            self._thread.start()
        answer: Future[TrainingProcess] = Future()
        self._wanted.put(answer)
        return answer.result()

    def _serve(self) -> None:
        while True:
            answer = self._wanted.get()
            try:
                answer.set_result(TrainingProcess())
            except BaseException as error:  # noqa: BLE001 - raised where it is awaited
                answer.set_exception(error)


warm_process = WarmProcess()
