"""Checks that a Celery worker runs when it starts."""

from typing import Any, Final

from celery import concurrency
from django.core.checks import CheckMessage, Error

_THREADS: Final = "celery.concurrency.thread"


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
