"""PostgreSQL is frozen: it answers nothing, and its connections stay open."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ORDER = {
    "tasks": [{"id": 1, "data": {"text": "hm"}}],
    "project": "1.1795433940",
}
EVENT = {
    "action": "ANNOTATION_CREATED",
    "project": {"id": 1, "created_at": "2026-11-23T11:39:00Z"},
    "annotation": {"id": 1, "task": 1, "result": []},
    "task": {"id": 1, "data": {"text": "hm"}},
}


@contextmanager
def frozen(service):
    """Stop every process of the server, the postmaster first."""
    postmaster = service.database.pid()
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
    pids = [postmaster, *map(int, children.split())]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def timed(service, *request):
    started = time.monotonic()
    status, _ = service.call(*request)
    return status, time.monotonic() - started


def live_s(service):
    started = time.monotonic()
    assert service.text("/live")
    return time.monotonic() - started


def test_requests_get_503_while_the_database_is_frozen_and_200_afterwards(
    start_service,
):
    service = start_service()
    predict = partial(timed, service, "POST", "/predict", ORDER)
    annotate = partial(timed, service, "POST", "/webhook", EVENT)
    calls = [predict] * 4 + [annotate] * 4
    with ThreadPoolExecutor(len(calls)) as clients:
        for _ in range(3):  # so that the web processes are connected
            answers = list(clients.map(lambda call: call(), calls))
        assert {status for status, _ in answers} == {200}
        with frozen(service):
            waiting = [clients.submit(call) for call in calls]
            while not all(each.done() for each in waiting):
                assert live_s(service) < 1
                time.sleep(0.5)
            answers = [each.result() for each in waiting]
    assert {status for status, _ in answers} == {503}, answers
    assert all(seconds < 12 for _, seconds in answers), answers
    answers = [call() for call in calls]
    assert {status for status, _ in answers} == {200}, answers
