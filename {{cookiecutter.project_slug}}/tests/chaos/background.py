"""Ends faults later: restarts, thaws and frees what they took, from threads."""

import os
import threading
from collections import defaultdict
from contextlib import suppress


class Background:
    """Runs the rest of each fault in a thread; one fault at a time on each thing."""

    def __init__(self):
        self._taken = defaultdict(threading.Lock)
        self._threads = []

    def run(self, name, work):
        """Run `work`, unless a fault of the same name has not ended; return whether."""
        if not self._taken[name].acquire(blocking=False):
            return False

        def run_and_release():
            try:
                work()
            finally:
                self._taken[name].release()

        thread = threading.Thread(target=run_and_release)
        thread.start()
        self._threads.append(thread)
        return True

    def wait(self):
        """Wait until everything that was taken down is up again."""
        for thread in self._threads:
            thread.join()


def send(pids, number):
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
