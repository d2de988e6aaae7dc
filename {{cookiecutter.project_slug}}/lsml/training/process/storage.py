"""Waits for the artifact storage: a training of hours must not fail for a minute."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from django.conf import settings

from label_studio_ml.training import RunCancelled
from lsml.registry.errors import StorageUnavailable

Result = TypeVar("Result")

_PAUSE_S: Final = 2.0


def wait_for_storage(
    work: Callable[[], Result], *, cancelled: threading.Event
) -> Result:
    """Run `work`, and retry it while the artifact storage cannot be used.

    Args:
        work: Stores or fetches an artifact; may run several times.
        cancelled: Set when the run is cancelled.

    Raises:
        StorageUnavailable: For longer than TRAINING_OUTAGE_S.
        RunCancelled: The run was cancelled meanwhile.
    """
    begun = time.monotonic()
    while True:
        try:
            return work()
        except StorageUnavailable as error:
            if time.monotonic() - begun > settings.TRAINING_OUTAGE_S:
                raise StorageUnavailable(
                    f"{error} Tried for {settings.TRAINING_OUTAGE_S:g} s"
                    " (TRAINING_OUTAGE_S). The model is not the cause: retry the run"
                    " once the storage works."
                ) from error
            print(f"{error} Trying again.", flush=True)  # noqa: T201 - the run's log
            if cancelled.wait(_PAUSE_S):
                raise RunCancelled from error
