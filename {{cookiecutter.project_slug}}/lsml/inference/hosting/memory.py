"""Measures the memory of this process, on the CPU and on a GPU."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from resource import getpagesize

_TIMEOUT_S = 2.0


def memory_of_process() -> int:
    """Return the resident memory in bytes; 0 where there is no /proc."""
    with suppress(OSError):
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * getpagesize()
    return 0


def gpu_megabytes() -> int | None:
    """Return the GPU memory that this process uses; None if no driver reports it.

    In a container the driver may know other process ids; the answer is then 0.

    Source: `nvidia-smi --help-query-compute-apps`.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = "--query-compute-apps=pid,used_memory"
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        done = subprocess.run(  # noqa: S603 - found on the PATH, fixed arguments
            [program, query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
        rows = [line.split(",") for line in done.stdout.splitlines()]
        return sum(int(used) for pid, used in rows if int(pid) == os.getpid())
    return None
