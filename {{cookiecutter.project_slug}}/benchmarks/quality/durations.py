"""How often a version is found too slow, on a machine that is busy elsewhere."""

from statistics import median

import numpy as np

from benchmarks.quality.tables import percent, table
from lsml.quality.statistics.paired import median_at_least

FACTOR = 2.0  # allowed
TIMES = 1, 2, 3, 4, 20  # as long as the served version
SIZES = 20, 50, 100  # tasks
REPETITIONS = 1_000
_SPREAD = 1.5  # of the logarithm: one duration in twenty is over ten times the usual


def found_too_slow(times: float, tasks: int) -> tuple[float, float]:
    """Return the share found by the sign test, and by comparing two medians."""
    random = np.random.default_rng(tasks)
    test, medians = 0, 0
    for _ in range(REPETITIONS):
        served, new = random.lognormal(0, _SPREAD, (2, tasks))
        test += median_at_least((times * new / served).tolist()) > FACTOR
        medians += times * median(new) > FACTOR * median(served)
    return test / REPETITIONS, medians / REPETITIONS


def duration_table() -> str:
    """Simulate both rules."""
    return table(
        ["tasks", "compared", *("equal" if t == 1 else f"{t} times" for t in TIMES)],
        (
            [
                str(tasks),
                name,
                *(percent(found_too_slow(t, tasks)[n], 1) for t in TIMES),
            ]
            for tasks in SIZES
            for n, name in enumerate(("task by task", "medians alone"))
        ),
    )
