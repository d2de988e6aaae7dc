"""What the rooms' checks share, and how a process refuses to start with wrong settings.

Each room registers its checks in its `checks.py`. docs/running.md lists all ids.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.core.checks import ERROR, CheckMessage, Error, run_checks

# Checks with this tag are cheap: each process runs them when it starts. Those that
# take time or reach out have Django's tag `database`: only `prepare` runs them.
TAG: Final = "lsml"


def too_small(numbers: Mapping[str, tuple[Any, float]]) -> list[CheckMessage]:
    """Report numbers below their minimum, as lsml.E002.

    Args:
        numbers: by variable: its value and the smallest that makes sense.
    """
    return [
        Error(
            f"{variable} is {value}, which is too small.",
            hint=f"Set it to {least} or more, or leave it out to have the default.",
            id="lsml.E002",
        )
        # Not `value < least`: that is false for NaN, too.
        for variable, (value, least) in numbers.items()
        if not value >= least
    ]


def refuse_wrong_settings(**_: Any) -> None:
    """End the process with a readable list when a setting is wrong.

    Raises:
        SystemExit: there are errors; their texts and hints are its message.
    """
    errors = [found for found in run_checks(tags=[TAG]) if found.level >= ERROR]
    if errors:
        raise SystemExit("\n".join(["The settings are wrong:", *map(str, errors)]))
