"""Checks of the settings of training."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, register

from lsml.environment.checking import TAG, too_small


@register(TAG)
def check_training(**_: Any) -> list[CheckMessage]:
    """Report numbers that are too small."""
    return too_small(
        {
            "TRAINING_MAX_ATTEMPTS": (settings.TRAINING_MAX_ATTEMPTS, 1),
            "TRAINING_LEASE_S": (settings.TRAINING_LEASE_S, 1),
            "TRAINING_TIME_LIMIT": (settings.TRAINING_TIME_LIMIT_S, 0),
            "TRAINING_MEMORY_MB": (settings.TRAINING_MEMORY_MB, 0),
            "TRAINING_CANCEL_GRACE_S": (settings.TRAINING_CANCEL_GRACE_S, 0),
            "TRAINING_STOP_GRACE_S": (settings.TRAINING_STOP_GRACE_S, 0),
            "TRAINING_OUTAGE_S": (settings.TRAINING_OUTAGE_S, 0),
            "TRAINING_SWEEP_S": (settings.TRAINING_SWEEP_S, 0.1),
        }
    )
