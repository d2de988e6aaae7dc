"""How many held-out tasks there are, as sentences. No database."""

from typing import Final

TASKS_TO_TELL: Final = 20  # with fewer, versions cannot be told apart


def counted(tasks: int, kind: str = "held-out") -> str:
    """Return a number of tasks with its noun."""
    return f"{tasks} {kind} task{'' if tasks == 1 else 's'}"


def too_few(tasks: int, *, needed: int | None = None, kind: str = "held-out") -> str:
    """Return the sentence about tasks that are too few to compare versions on."""
    more = "" if needed is None else f" ({needed} needed)"
    are = "is" if tasks == 1 else "are"
    return f"{counted(tasks, kind)} {are} too few to tell{more}"
