"""Memory that requests have freed goes back to the operating system."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs glibc")
_HEAPS = """
import ctypes, threading
from lsml.environment import heap
{prepare}
barrier = threading.Barrier(8)
def work():
    barrier.wait()
    kept = [bytes(1000) for _ in range(1000)]
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
"""
_TRIM = """
import ctypes, time
from lsml.environment import heap
heap.TRIM_S = 0.01
libc = ctypes.CDLL(None)
libc.mallopt(-3, 2**25)  # blocks of a heap, as after a few large requests
libc.mallopt(-1, 2**30)
blocks = [bytes(1_000_000) for _ in range(100)]
kept = bytes(1_000)
del blocks
{prepare}
time.sleep(1)
print(open("/proc/self/statm").read().split()[1])
"""


def run(code, prepare):
    done = subprocess.run(
        [sys.executable, "-c", code.format(prepare=prepare)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_all_threads_share_two_heaps():
    assert run(_HEAPS, "heap.bound_heaps()").count("<heap nr=") <= 2
    assert run(_HEAPS, "").count("<heap nr=") > 2


@pytest.mark.slow
def test_free_memory_is_returned():
    assert int(run(_TRIM, "heap.start_trimming()")) < int(run(_TRIM, "")) / 2
