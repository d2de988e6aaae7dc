"""Tells a worker that events wait in a project's inbox."""

from lsml.jobs.notify import Coalescer

PROCESS_INBOX = "lsml.training.tasks.process_inbox"
# A message that nobody took for so long is not worth taking: the sweeper sent another.
EXPIRES_S = 60.0

_coalescer = Coalescer(PROCESS_INBOX, expires=EXPIRES_S)


def notify_inbox(project_id: int) -> None:
    """Have a worker process a project's inbox; takes at most about 0.1 s."""
    _coalescer.notify(project_id)
