"""PostgreSQL stops or dies while webhooks arrive: none is lost, none is doubled."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

pytestmark = pytest.mark.slow

CLIENTS = 8  # at once, so that several threads of web have connections


def annotate_all(service, numbers):
    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(service.annotate, numbers))


def recorded(service):
    return [pk for (pk,) in service.rows("SELECT id FROM audit_webhookevent")]


def stop(service):
    service.database.stop()
    service.database.start()


def kill(service):
    service.database.kill()
    service.database.start()


def crash(service):
    """Kill one backend: the server ends all others without a word, and recovers."""
    with service.database_session() as victim, service.database_session() as witness:
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        # Until the server has noticed, it still takes new connections.
        until(lambda: not answers(witness.execute))
    until(lambda: answers(service.rows))


def answers(execute):
    try:
        execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("restart", [stop, kill, crash])
def test_the_first_webhooks_after_a_restart_of_the_database_are_accepted(
    start_service, restart
):
    service = start_service()
    accepted = annotate_all(service, range(1, 41))
    restart(service)
    accepted += annotate_all(service, range(41, 81))
    assert sorted(recorded(service)) == sorted(accepted)


@pytest.mark.parametrize("fault", ["stop", "kill"])
def test_what_is_accepted_while_the_database_goes_down_is_stored_once(
    start_service, fault
):
    service = start_service()
    annotate_all(service, range(1, 9))
    accepted, down = [], threading.Event()

    def send_until_down(first):
        for number in range(first, first + 100_000):
            body = {
                "action": "ANNOTATION_CREATED",
                "project": {"id": 1, "created_at": "2026-11-23T11:39:00Z"},
                "annotation": {"id": number, "task": number, "result": []},
                "task": {"id": number, "data": {"text": "hm"}},
            }
            status, _ = service.call("POST", "/webhook", body)
            if status == 200:
                accepted.append(number)
            elif down.is_set():
                return

    with ThreadPoolExecutor(CLIENTS) as clients:
        for client in range(1, CLIENTS + 1):
            clients.submit(send_until_down, client * 1_000_000)
        service.until("SELECT 1 FROM audit_webhookevent WHERE task_id > 1000000")
        getattr(service.database, fault)()
        down.set()
    service.database.start()
    stored = [
        task
        for (task,) in service.rows(
            "SELECT task_id FROM audit_webhookevent WHERE task_id >= 1000000"
        )
    ]
    assert len(stored) == len(set(stored))
    assert set(accepted) <= set(stored)
    unmatched = service.rows(
        "SELECT event.id FROM audit_webhookevent AS event"
        " WHERE NOT EXISTS (SELECT FROM training_inboxentry WHERE event_id = event.id)"
        " AND NOT EXISTS (SELECT FROM training_runevent WHERE event_id = event.id)"
    )
    assert not unmatched
