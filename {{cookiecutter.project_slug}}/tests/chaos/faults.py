"""Chooses the faults: the methods of the modules below, by weight and seed."""

import random
import time
from collections import Counter

from tests.chaos.background import Background
from tests.chaos.crashes import Crashes
from tests.chaos.disks import DiskFaults
from tests.chaos.programs import ProgramFaults
from tests.chaos.servers_down import ServerFaults


class Faults:
    """Injects faults and brings everything back up.

    Args:
        only: Words; faults whose names contain none of them are left out.
    """

    def __init__(self, playground, servers, disks, *, seed, lease_s, only=()):
        self.rng = random.Random(seed)
        self.done = Counter()
        self._background = Background()
        common = {"rng": self.rng, "background": self._background}
        self._crashes = Crashes(playground, servers.broker, **common)
        groups = [
            ProgramFaults(playground, lease_s=lease_s, **common),
            ServerFaults(servers, **common),
            self._crashes,
        ]
        if disks:
            groups.append(DiskFaults(disks, servers.database, **common))
        self._weighted = [
            (fault, weight)
            for group in groups
            for fault, weight in group.weighted()
            if not only or any(word in fault.__name__ for word in only)
        ]

    def inject(self):
        """Inject one fault at random; return a description of it.

        What has not recovered from such a fault yet is spared, and another is chosen.
        """
        faults, weights = zip(*self._weighted, strict=True)
        while True:
            (fault,) = self.rng.choices(faults, weights)
            if description := fault():
                self.done[fault.__name__.replace("_", " ")] += 1
                return description
            time.sleep(0.1)

    def repair(self):
        """Wait until everything that was taken down is up again."""
        self._background.wait()

    @property
    def reached(self):
        """How often a process came to the function at which it was to die."""
        return self._crashes.reached
