"""Shows how far a backup or a restore is, on a terminal."""

from typing import Any

from tqdm import tqdm


def progress_bar(what: str, *, total: int, unit: str) -> Any:
    """Return a bar with rate and time left. Nothing is shown in a log or a pipe.

    Args:
        what: is being done.
        total: number of units; may be an estimate.
        unit: "rows" or "B" for bytes.
    """
    return tqdm(
        desc=what,
        total=total,
        unit=unit if unit == "B" else f" {unit}",
        unit_scale=True,
        disable=None,
    )
