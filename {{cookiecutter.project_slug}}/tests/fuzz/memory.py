"""Memory of the service's processes."""

from pathlib import Path


def pss_mb(programs):
    """Return the proportional set size of programs with their children, by name."""
    return {program.name: _pss_mb(program) for program in programs}


def _pss_mb(program):
    return sum(_of(pid) for pid in [program.process.pid, *program.children()])


def _of(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith("Pss:"))
    return int(size) / 1024
