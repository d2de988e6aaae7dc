"""Checks of the settings of inference."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, register

from lsml.environment.checking import TAG, too_small


@register(TAG)
def check_inference(**_: Any) -> list[CheckMessage]:
    """Report numbers that are too small."""
    return too_small(
        {
            "PREDICT_WAIT_S": (settings.PREDICT_WAIT_S, 0),
            "MODELS_IN_MEMORY_MAX": (settings.MODELS_IN_MEMORY_MAX, 1),
        }
    )
