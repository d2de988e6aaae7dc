"""Shared parts of the system checks, and the refusal to start with wrong settings.

Each room registers its checks in its `checks.py`. docs/running.md lists all ids.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.core.checks import ERROR, CheckMessage, Error, run_checks

# Checks with this tag are cheap: each process runs them when it starts. Those that use
# the network have Django's tag `database`, and the one that imports the model, which
# takes a second, has its own: only `prepare` runs them. Django calls them for every
# command, so they return nothing unless they are given databases.
TAG: Final = "lsml"
MODEL_TAG: Final = "model"


def too_small(numbers: Mapping[str, tuple[Any, float]]) -> list[CheckMessage]:
    """Report numbers below their minimum, as lsml.E002.

    Args:
        numbers: by variable: its value and its minimum.
    """
    return [
        Error(
            f"{variable} is {value}, which is too small.",
            hint=f"Set it to {least} or more, or remove it to use the default.",
            id="lsml.E002",
        )
        # Not `value < least`, which is false for NaN.
        for variable, (value, least) in numbers.items()
        if not value >= least
    ]


def refuse_wrong_settings(**_: Any) -> None:
    """End the process with a readable list of errors if a setting is wrong.

    Raises:
        SystemExit: with the texts and hints of all errors.
    """
    errors = [found for found in run_checks(tags=[TAG]) if found.level >= ERROR]
    if errors:
        raise SystemExit("\n".join(["The settings are wrong:", *map(str, errors)]))
