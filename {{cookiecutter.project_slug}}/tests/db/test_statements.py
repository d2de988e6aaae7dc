"""Statements that a pooler mixes up, and statements that do not end."""

import threading

import pytest
from django.db import OperationalError, connection, transaction
from structlog.testing import capture_logs

from lsml.environment import statements
from lsml.environment.statements import execute_prepared

STATEMENT = "SELECT %(number)s::bigint + 1"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_pooler_met(monkeypatch):
    monkeypatch.setattr(statements, "_pooler_met", threading.Event())


def lose():
    """Meet a server connection that lacks the statement: SQLSTATE 26000."""
    assert execute_prepared(STATEMENT, {"number": 1}) == [(2,)]
    with connection.cursor() as cursor:  # psycopg would notice a plain DEALLOCATE
        cursor.execute("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")


def collide():
    """Meet a server connection where another client prepared: SQLSTATE 42P05."""
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("PREPARE _pg3_0 AS SELECT 'other'")


@pytest.mark.parametrize("meet", [lose, collide])
def test_a_statement_prepared_on_another_connection_is_executed_unprepared(meet):
    meet()
    with capture_logs() as logged:
        assert execute_prepared(STATEMENT, {"number": 2}) == [(3,)]
        assert execute_prepared(STATEMENT, {"number": 3}) == [(4,)]
    (warning,) = logged
    assert warning["log_level"] == "warning"
    assert "DATABASE_PGBOUNCER" in warning["next_step"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("meet", [lose, collide])
def test_inside_a_transaction_such_a_statement_fails_once_as_a_lost_database_does(meet):
    meet()
    with pytest.raises(OperationalError), transaction.atomic():
        execute_prepared(STATEMENT, {"number": 2})
    with transaction.atomic():
        assert execute_prepared(STATEMENT, {"number": 3}) == [(4,)]


def sleep():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(30)")


def sleep_prepared():
    execute_prepared("SELECT pg_sleep(%(seconds)s::int)::text", {"seconds": 30})


@pytest.mark.parametrize("execute", [sleep, sleep_prepared])
def test_a_statement_that_the_server_does_not_end_fails_and_the_next_request_succeeds(
    settings, execute
):
    settings.PROCESS, settings.DATABASE_STATEMENT_TIMEOUT_MS = "web", 1
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
        cursor.execute("SET statement_timeout = 0")  # a frozen server has none either
    with pytest.raises(OperationalError):
        execute()
    assert not connection.is_usable()
    connection.close()
    with pytest.raises(OperationalError, match="does not answer"):
        execute()  # the request would wait as long again
    connection.close_if_unusable_or_obsolete()  # as Django does after each request
    assert execute_prepared(STATEMENT, {"number": 1}) == [(2,)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
