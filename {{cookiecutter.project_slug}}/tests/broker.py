"""A broker that only collects: Celery's `send_task`, with its real signature."""

from unittest.mock import create_autospec

from lsml.jobs import notify
from lsml.training.inbox import waiting as inbox_waiting


def collect_messages(monkeypatch):
    """Give the list of messages that would be sent: (task, pk).

    A call that the real `send_task` would refuse is refused here, too.
    """
    sent = []

    def keep(name, args=None, **_):
        sent.append((name, *args))

    send_task = create_autospec(notify.current_app.send_task, side_effect=keep)
    monkeypatch.setattr(notify.current_app, "send_task", send_task)
    monkeypatch.setattr(notify, "breaker", notify.Breaker())
    coalescer = notify.Coalescer(inbox_waiting.PROCESS_INBOX)
    monkeypatch.setattr(inbox_waiting, "_coalescer", coalescer)
    return sent
