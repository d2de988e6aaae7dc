"""Rows of concurrent requests, committed together."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import orjson
import pytest
from django.db import DataError, OperationalError, connection, transaction
from django.utils import timezone

from lsml.audit import group_commit, services
from lsml.audit.group_commit import GroupCommit, _Entry
from lsml.audit.models import Prediction
from lsml.audit.services import PredictionBatch, record_predictions
from lsml.observability.origin import Origin

pytestmark = pytest.mark.django_db(transaction=True)

ROW = {"task_id": 1, "outcome": "empty", "input_digest": "0" * 64}


def record(request_id, *, version="v1", result=None):
    """Record a prediction; return whether it was committed when that returned."""
    try:
        batch = PredictionBatch(
            origin=Origin(request_id, "test"),
            created_at=timezone.now(),
            project_pk=1,
            model_version=version,
            kind=Prediction.Kind.BATCH,
            context=None,
            latency_ms=1.0,
            batch_size=1,
        )
        record_predictions(batch, [{**ROW, "result": result}])
        return Prediction.objects.filter(request_id=request_id).exists()
    finally:
        if threading.current_thread() is not threading.main_thread():
            connection.close()


class Statements:
    """Records the request ids of each statement; the first one waits for `count`."""

    def __init__(self, count):
        self.written = []
        self.group = GroupCommit(self.write, most=32)
        self.count = count

    def write(self, requests):
        self.written.append([orjson.loads(each)["request_id"] for each in requests])
        if len(self.written) == 1:
            wait_until(lambda: len(self.group._waiting) == self.count)
        return services._insert_predictions(requests)


@pytest.fixture
def statements(monkeypatch):
    """The first statement waits until four other requests wait."""
    statements = Statements(count=4)
    monkeypatch.setattr(services, "_predictions", statements.group)
    return statements


def wait_until(condition):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def at_once(statements, calls):
    """Call the first one, and the others while its statement runs."""
    with ThreadPoolExecutor(len(calls)) as threads:
        first = threads.submit(calls[0])
        wait_until(lambda: statements.written)
        others = [threads.submit(call) for call in calls[1:]]
        return [each.exception() or each.result() for each in [first, *others]]


def test_requests_that_arrive_during_a_statement_share_the_next_one(statements):
    ids = [f"request-{number}" for number in range(5)]
    committed = at_once(statements, [partial(record, each) for each in ids])
    assert committed == [True] * 5
    assert [sorted(each) for each in statements.written] == [ids[:1], ids[1:]]
    assert Prediction.objects.count() == 5


def test_a_large_request_is_written_without_waiting_for_the_others(statements):
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(record, "first")
        wait_until(lambda: statements.written)  # and does not end yet
        large = partial(record, "large", result=["x" * 300_000])
        assert threads.submit(large).result(timeout=5)
        statements.count = 0
        assert first.result()
    assert statements.written == [["first"]]


def test_a_row_that_the_database_refuses_fails_its_own_request_only(statements):
    calls = [partial(record, f"request-{number}") for number in range(4)]
    too_long = partial(record, "refused", version="v" * 201)
    *others, refused = at_once(statements, [*calls, too_long])
    assert others == [True] * 4
    assert isinstance(refused, DataError)
    assert not Prediction.objects.filter(request_id="refused").exists()


def server_error(code):
    """Have PostgreSQL raise an error; it does not commit and keeps the connection."""
    with connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE 'x' USING ERRCODE = '{code}'; END $$")


TIMEOUT, OUT_OF_MEMORY, DISK_FULL, TOO_LARGE, LOCKED, SERIALIZATION = (
    "57014", "53200", "53100", "54000", "55P03", "40001",
)  # fmt: skip


@pytest.mark.parametrize(
    "code", [TIMEOUT, OUT_OF_MEMORY, DISK_FULL, TOO_LARGE, LOCKED, SERIALIZATION]
)
def test_requests_are_written_alone_if_their_common_statement_is_rolled_back(
    statements, monkeypatch, code
):
    insert = services._insert_predictions

    def refuse_two_and_more(requests):
        if len(requests) > 1:
            server_error(code)
        return insert(requests)

    monkeypatch.setattr(services, "_insert_predictions", refuse_two_and_more)
    calls = [partial(record, f"request-{number}") for number in range(5)]
    assert at_once(statements, calls) == [True] * 5
    assert Prediction.objects.count() == 5


def test_a_database_that_also_times_out_for_one_request_is_not_asked_for_the_others(
    statements, monkeypatch
):
    monkeypatch.setattr(group_commit, "_ALONE_S", 0.1)
    insert = services._insert_predictions

    def time_out(requests):
        if len(statements.written) == 1:
            return insert(requests)
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 200")
            try:
                cursor.execute("SELECT pg_sleep(60)")
            finally:
                cursor.execute("RESET statement_timeout")

    monkeypatch.setattr(services, "_insert_predictions", time_out)
    calls = [partial(record, f"request-{number}") for number in range(5)]
    first, *others = at_once(statements, calls)
    assert first is True
    assert [type(each) for each in others] == [OperationalError] * 4
    assert [len(each) for each in statements.written] == [1, 4, 1]


def test_a_lost_connection_fails_the_requests_that_share_it_and_no_later_one(
    statements, monkeypatch
):
    insert = services._insert_predictions

    def insert_then_lose(requests):
        if len(requests) > 1:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return insert(requests)

    monkeypatch.setattr(services, "_insert_predictions", insert_then_lose)
    calls = [partial(record, f"request-{number}") for number in range(5)]
    first, *others = at_once(statements, calls)
    assert first is True
    assert [type(each) for each in others] == [OperationalError] * 4
    assert len({id(each) for each in others}) == 4
    assert [len(each) for each in statements.written] == [1, 4]
    assert record("afterwards")


def test_a_thread_that_ends_while_it_writes_leaves_nobody_waiting(monkeypatch):
    def end(requests):
        raise SystemExit

    group = GroupCommit(end, most=32)
    monkeypatch.setattr(services, "_predictions", group)
    with pytest.raises(SystemExit):
        record("request-1")
    monkeypatch.setattr(group, "_write", services._insert_predictions)
    assert record("request-2")


class Interrupted(BaseException):
    """Raised in a thread that waits, as a signal does in the main thread."""


@pytest.mark.parametrize("when", ["while it waits", "when it is to write"])
def test_an_interrupted_thread_leaves_nobody_waiting_and_nothing_to_be_written(
    statements, monkeypatch, when
):
    wait, interrupted = _Entry.wait, threading.Event()

    def interrupt(entry):
        if orjson.loads(entry.item)["request_id"] != "interrupted":
            return wait(entry)
        if when == "when it is to write":
            wait(entry)
        interrupted.set()
        raise Interrupted

    monkeypatch.setattr(_Entry, "wait", interrupt)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(record, "first")
        wait_until(lambda: statements.written)
        left = threads.submit(record, "interrupted")
        wait_until(lambda: interrupted.is_set() or len(statements.group._waiting) == 1)
        later = threads.submit(record, "later")
        remain = 1 if when == "while it waits" else 2
        wait_until(lambda: len(statements.group._waiting) == remain)
        statements.count = remain
        assert first.result(timeout=10)
        assert later.result(timeout=10)
        assert isinstance(left.exception(), Interrupted)
    assert statements.written == [["first"], ["later"]]


def test_a_request_behind_a_statement_that_does_not_end_fails_and_is_not_written(
    statements, monkeypatch
):
    monkeypatch.setattr(group_commit, "_WAIT_S", 0.1)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(record, "first")
        wait_until(lambda: statements.written)
        later = threads.submit(record, "later")
        assert isinstance(later.exception(timeout=10), OperationalError)
        statements.count = 0
        assert first.result(timeout=10)
    assert record("afterwards")
    assert statements.written == [["first"], ["afterwards"]]


def test_a_request_that_waited_for_a_connection_that_broke_does_not_wait_for_another(
    statements, monkeypatch
):
    insert = services._insert_predictions

    def break_the_connection(requests):
        if len(statements.written) == 1:
            time.sleep(0.2)
            connection.close()
            raise OperationalError
        return insert(requests)

    monkeypatch.setattr(group_commit, "_TRY_NEXT_S", 0.1)
    monkeypatch.setattr(services, "_insert_predictions", break_the_connection)
    calls = [partial(record, f"request-{number}") for number in range(5)]
    found = at_once(statements, calls)
    assert [type(each) for each in found] == [OperationalError] * 5
    assert record("afterwards")
    assert statements.written == [["request-0"], ["afterwards"]]


def test_inside_a_transaction_rows_are_rolled_back_with_it():
    with suppress(ZeroDivisionError), transaction.atomic():
        record("request-1")
        _ = 1 / 0
    assert not Prediction.objects.exists()
