"""Memory of the service's processes."""

import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

_EVERY_S = 1.0


@contextmanager
def usual_mb(programs):
    """Yield a dictionary, which gets the memory of each program after the block.

    The median over the block of its proportional set size, children included: a single
    moment has more or fewer models in memory.
    """
    samples = {program.name: [] for program in programs}
    over = threading.Event()

    def sample():
        while not over.wait(_EVERY_S):
            for program in programs:
                with suppress(OSError):  # a process ended meanwhile
                    samples[program.name].append(_pss_mb(program))

    usual = {}
    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield usual
    finally:
        over.set()
        thread.join()
    usual |= {name: median(sizes) for name, sizes in samples.items()}


def _pss_mb(program):
    return sum(_of(pid) for pid in [program.process.pid, *program.children()])


def _of(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith("Pss:"))
    return int(size) / 1024
