"""Returns memory that requests have freed to the operating system.

glibc gives each thread a heap of its own, up to eight times the number of cores, and
each keeps what was once used for large bodies. docs/adr/0037-bounded-heaps.md has
measurements. Another C library has no such functions; then nothing is done.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Final

_M_ARENA_MAX: Final = -8  # of glibc's malloc.h
_HEAPS: Final = 2
TRIM_S = 2.0


def bound_heaps() -> None:
    """Let all threads of this process share two heaps; call it before they start."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_ARENA_MAX, _HEAPS)


def start_trimming() -> None:
    """Return free memory every 2 s, in a thread; after a fork, each process starts it.

    It takes a few milliseconds, without the interpreter's lock.
    """
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        threading.Thread(target=_trim, args=[trim], name="trim", daemon=True).start()


def _trim(trim: Callable[[int], int]) -> None:
    while True:
        time.sleep(TRIM_S)
        trim(0)
