"""Waking a worker costs little, whatever the broker does."""

import inspect
import socket
import time
from uuid import uuid4

import pytest
from celery import Celery, current_app

from lsml.jobs import notify, outcomes, workers

from .conftest import make


@pytest.fixture
def refused(monkeypatch):
    """A broker that refuses connections, as Celery reports it; records the calls."""
    calls = []

    def refuse(name, args=None, **options):
        calls.append(options)
        raise notify.OperationalError("connection refused")

    monkeypatch.setattr(current_app, "send_task", refuse)
    return calls


def test_a_dead_broker_is_asked_again_after_the_pause(refused, monkeypatch):
    assert not any(notify.notify("lsml.a.task", 1) for _ in range(100))
    assert len(refused) == 1
    monkeypatch.setattr(notify, "PAUSE_AFTER_FAILURE_S", 0)
    monkeypatch.setattr(notify, "breaker", notify.Breaker())
    notify.notify("lsml.a.task", 1)
    notify.notify("lsml.a.task", 1)
    assert len(refused) == 3


@pytest.mark.parametrize("listens", [False, True])
def test_a_broker_that_refuses_or_stays_silent_costs_a_moment(monkeypatch, listens):
    with socket.socket() as broker:
        broker.bind(("127.0.0.1", 0))
        if listens:
            broker.listen()  # accepts connections and never answers
        app = Celery(set_as_current=False)
        app.config_from_object("django.conf:settings", namespace="CELERY")
        app.conf.broker_url = f"redis://127.0.0.1:{broker.getsockname()[1]}/0"
        monkeypatch.setattr(notify, "current_app", app)
        started = time.perf_counter()
        assert not notify.notify("lsml.a.task", 1)
        assert time.perf_counter() - started < 5  # on a busy machine
        app.close()


def test_no_message_expires_by_the_clock_of_a_worker(
    db, kind, monkeypatch, django_capture_on_commit_callbacks
):
    sent = []
    signature = inspect.signature(current_app.send_task)

    def keep(*args, **options):
        signature.bind(*args, **options)
        sent.append(options)

    monkeypatch.setattr(current_app, "send_task", keep)
    with django_capture_on_commit_callbacks(execute=True):
        outcomes.wake_worker(make(kind))
    coalescer = notify.Coalescer("lsml.a.task")
    coalescer.notify(1)
    coalescer.notify(1)  # sent a little later
    until = time.monotonic() + 20
    while len(sent) < 3 and time.monotonic() < until:
        time.sleep(0.05)
    assert [options.keys() for options in sent] == [{"args", "expiration"}] * 3
    assert not any("expires" in beat["options"] for beat in _scheduled())


def _scheduled():
    return [{"options": {}, **beat} for beat in current_app.conf.beat_schedule.values()]


def test_a_queue_with_many_waiting_messages_is_backed_up(broker, monkeypatch):
    app = Celery(set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.conf.task_default_queue = f"queue-{uuid4()}"
    monkeypatch.setattr(notify, "current_app", app)
    monkeypatch.setattr(workers, "current_app", app)
    monkeypatch.setattr(notify, "WAITING_MAX", 2)
    monkeypatch.setattr(notify, "breaker", notify.Breaker())
    assert not notify.is_backed_up("lsml.a.task")
    assert notify.notify("lsml.a.task", 1)
    assert not notify.is_backed_up("lsml.a.task")
    assert notify.notify("lsml.a.task", 1)
    assert notify.is_backed_up("lsml.a.task")
    with app.pool.acquire() as connection, connection.channel() as channel:
        channel.queue_delete(app.conf.task_default_queue)
    app.close()


def test_a_connection_that_somebody_closed_is_opened_again(broker, monkeypatch):
    app = Celery(set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    monkeypatch.setattr(workers, "current_app", app)
    with app.pool.acquire(block=True) as connection:
        connection.connect()
        connection.close()
    assert workers.messages_waiting(f"queue-{uuid4()}") in {0, None}


def test_the_coalescer_forgets_rows_that_are_quiet(notifications, monkeypatch):
    monkeypatch.setattr(notify, "AT_MOST_EVERY_S", 0.0)
    coalescer = notify.Coalescer("lsml.a.task")
    for pk in range(1000):
        coalescer.notify(pk)
    assert len(notifications) == 1000
    assert len(coalescer._sent_at) <= 1
