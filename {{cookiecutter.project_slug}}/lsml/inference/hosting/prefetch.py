"""Calls the model's `prefetch(task)` for opened tasks, while the model is idle."""

import threading
import time
from typing import Any

import structlog
from django.db import connections

from lsml.audit.models import Prediction
from lsml.inference.calls import Call
from lsml.inference.hosting.hosted import HostedModel
from lsml.inference.hosting.watch import watch
from lsml.labelstudio.secrets import error_text

log = structlog.get_logger(__name__)

_threads = threading.BoundedSemaphore(4)
_LOOK_EVERY_S = 0.02
_WAIT_S = 5.0  # later the annotator has clicked, or has gone on


def prefetch_opened(call: Call, hosted: HostedModel) -> None:
    """Prefetch the task of a call if an annotator has just opened it.

    Label Studio then requests one task without a context. An annotator opens few tasks
    a minute; of many at once, some are not prefetched.
    """
    opened = call.kind == Prediction.Kind.BATCH and len(call.tasks) == 1
    if opened and _threads.acquire(blocking=False):
        threading.Thread(
            target=_prefetch, args=(call.tasks[0], hosted), daemon=True
        ).start()


def _prefetch(task: dict[str, Any], hosted: HostedModel) -> None:
    try:
        _prefetch_when_idle(task, hosted)
    finally:
        _threads.release()


def _prefetch_when_idle(task: dict[str, Any], hosted: HostedModel) -> None:
    until = time.monotonic() + _WAIT_S
    while time.monotonic() < until:
        with hosted.queue.spare_place(hosted) as has_place:
            if has_place:
                _call(task, hosted)
                return
        time.sleep(_LOOK_EVERY_S)


def _call(task: dict[str, Any], hosted: HostedModel) -> None:
    try:
        with watch.running("prefetch()", [], task=task.get("id")):
            hosted.model.prefetch(task)
    except Exception as error:  # noqa: BLE001 - the user's code; nobody waits for it
        log.warning(
            "prefetch() failed",
            task=task.get("id"),
            error=error_text(error),
        )
    finally:
        connections.close_all()
