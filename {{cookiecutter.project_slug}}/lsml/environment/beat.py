"""Celery beat's scheduler. Only beat imports this: the settings name the class."""

from typing import Any

from celery.beat import Scheduler

from lsml.environment.alive import show_alive


class AliveScheduler(Scheduler):
    """Touches the file of `alive.py` after each round."""

    def tick(self, *args: Any, **options: Any) -> float:
        """Send what is due, and return for how many seconds nothing is."""
        seconds: float = super().tick(*args, **options)
        show_alive()
        return seconds
