"""Checks of the settings of the admin."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, register

from lsml.environment.checking import TAG, too_small


@register(TAG)
def check_console(**_: Any) -> list[CheckMessage]:
    """Report numbers that are too small."""
    return too_small(
        {
            "LOGIN_FAILURES_MAX": (settings.AXES_FAILURE_LIMIT, 1),
            "LOGIN_WAIT_MIN": (settings.LOGIN_WAIT_MIN, 1),
            "SESSION_HOURS": (settings.SESSION_HOURS, 1),
        }
    )
