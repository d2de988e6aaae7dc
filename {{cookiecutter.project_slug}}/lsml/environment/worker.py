"""What a Celery worker checks and changes when it starts."""

from typing import Any, Final

import structlog
from celery import concurrency
from django.core.checks import CheckMessage, Error

_THREADS: Final = "celery.concurrency.thread"

log = structlog.get_logger(__name__)


def check_worker_pool(pool: Any) -> list[CheckMessage]:
    """Report any pool but `threads`.

    Args:
        pool: the pool's class, or Celery's name for it.
    """
    implementation = concurrency.get_implementation(pool)
    if implementation.__module__ == _THREADS:
        return []
    return [
        Error(
            f"The worker's pool is {implementation.__module__.rpartition('.')[2]}.",
            hint="Start it with `--pool threads`: a thread supervises each run.",
            id="lsml.E010",
        )
    ]


def refuse_wrong_worker(sender: Any, **_: Any) -> None:
    """End a worker that starts with another pool.

    Raises:
        SystemExit: with text and hint of the error.
    """
    if found := check_worker_pool(sender.pool_cls):
        raise SystemExit(str(found[0]))


def keep_settings_secret(**_: Any) -> None:
    """Remove the remote commands that list the settings, credentials included.

    Whoever reaches the broker may send such commands to a worker.
    """
    from celery.worker.control import Panel  # for workers only

    for command in ("conf", "dump_conf", "report"):
        Panel.data.pop(command, None)


def warn_of_missing_queue(sender: Any, **_: Any) -> None:
    """Log a warning if the worker does not take the messages that beat sends."""
    if "scheduled" not in sender.app.amqp.queues.consume_from:
        log.warning(
            "this worker does not take beat's messages; without one that does, the"
            " audit log is not sealed and lost messages are not sent again. Add"
            " `scheduled` to its --queues",
            queues=sorted(sender.app.amqp.queues.consume_from),
        )
