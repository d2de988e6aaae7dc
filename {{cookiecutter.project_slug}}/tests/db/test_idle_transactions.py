"""A host that is cut off inside a transaction does not keep its locks."""

import time

import psycopg
import pytest
from psycopg.errors import IdleInTransactionSessionTimeout

from lsml.environment import connections
from tests.db.conftest import database_url

pytestmark = pytest.mark.django_db


def test_postgresql_ends_a_session_that_stays_inside_a_transaction(monkeypatch):
    monkeypatch.setattr(connections, "_IDLE_IN_TRANSACTION_MS", 100)
    options = connections.database_options(process="worker", statement_timeout_ms=5000)
    with psycopg.connect(database_url(), **options) as cut_off:
        cut_off.execute("SELECT pg_advisory_xact_lock(1)")
        time.sleep(0.5)
        with pytest.raises(IdleInTransactionSessionTimeout):
            cut_off.execute("SELECT 1")
