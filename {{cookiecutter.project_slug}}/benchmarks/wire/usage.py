"""CPU time and memory of processes, from Linux's /proc."""

import os
from pathlib import Path

from benchmarks.service import children_of

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its children, ended ones included."""
    own = _times(pid)
    children = [_times(child)[:2] for child in children_of(pid)]
    return (sum(own) + sum(map(sum, children))) / _TICKS_PER_S


def _times(pid: int) -> list[int]:
    """Return user and system time: its own, then those of children that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return [int(each) for each in fields[11:15]]


def memory_mb(pid: int) -> float:
    """Return the memory that a process has now (RSS)."""
    return _status_mb(pid, "VmRSS")


def peak_memory_mb(pid: int) -> float:
    """Return the most memory that it had since `reset_peak_memory`."""
    return _status_mb(pid, "VmHWM")


def reset_peak_memory(pid: int) -> None:
    """Forget how much memory the process had until now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status_mb(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"/proc/{pid}/status has no {name}")
