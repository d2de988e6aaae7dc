"""Chooses a share of the tasks by a rule that every process follows alike."""

import hashlib


def in_share(name: str, percent: int) -> bool:
    """Return whether the rule chooses what has this name.

    The first 8 bytes of the name's SHA-256, as a fraction of their largest value, must
    be below the percentage. So what a smaller percentage chooses is among what a larger
    one does.

    Args:
        name: Of the task; a prefix makes the choice independent of other ones.
        percent: The share, 0 to 100.
    """
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8]) * 100 < percent << 64
