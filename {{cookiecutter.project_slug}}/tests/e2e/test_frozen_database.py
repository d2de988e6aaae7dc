"""PostgreSQL is frozen: it answers nothing, and its connections stay open."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

from tests.chaos.pgbouncer import PgBouncer

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
    service.database.freeze()
    try:
        yield
    finally:
        service.database.thaw()


def timed(service, *request):
    started = time.monotonic()
    status, _ = service.call(*request)
    return status, time.monotonic() - started


def live_s(service):
    started = time.monotonic()
    assert service.text("/live")
    return time.monotonic() - started


@pytest.mark.parametrize(
    "pgbouncer",
    [
        False,
        pytest.param(
            True,
            marks=pytest.mark.skipif(
                not PgBouncer.available(), reason="pgbouncer is not installed"
            ),
        ),
    ],
)
def test_requests_get_503_while_the_database_is_frozen_and_200_afterwards(
    start_service, pgbouncer
):
    service = start_service(pgbouncer=pgbouncer)
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
