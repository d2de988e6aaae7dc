"""Prepared statements behind a pooler that the service was not told of."""

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
