"""Real servers for the tests: a pair for each process of pytest-xdist.

They start with the first test that needs one, stop with the process that uses them, and
are found again if a session was killed.
"""

import os

# Before NumPy is imported: several test processes with as many threads each as there
# are cores make a tenth of a second of training a minute.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from django.conf import settings
from django.db import connection, transaction

from lsml.embedded.servers import running


def pytest_xdist_auto_num_workers():
    """Use one process if all would share the server that DATABASE_URL names.

    Sealing waits for every transaction of the cluster, also for other tests'.
    """
    return 1 if settings.DATABASE_URL else None


_END_OTHER_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture(scope="session")
def postgres():
    """Start a fast PostgreSQL without durability, unless DATABASE_URL names one."""
    if settings.DATABASE_URL:
        yield
        return
    with running(settings.DATA_DIR, broker=False, durable=False):
        yield


@pytest.fixture(scope="session")
def broker():
    """Provide a broker at CELERY_BROKER_URL, and return the URL."""
    if not settings.CELERY_BROKER_URL.startswith("redis+socket://"):
        yield settings.CELERY_BROKER_URL
        return
    with running(settings.DATA_DIR, postgres=False, durable=False):
        yield settings.CELERY_BROKER_URL


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    postgres, django_db_modify_db_settings_parallel_suffix
):
    """Pytest-django requests this before it creates the test database."""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Let tests that commit (`transaction=True`) clean up after themselves.

    Rows are deleted from the few tables that have any: TRUNCATE of every table takes a
    hundred times as long. The append-only tables refuse both; only here, and only for
    this transaction, their triggers are off.
    """

    def delete_rows(self, sql_list):
        with transaction.atomic(), self.connection.cursor() as cursor:
            cursor.execute(_SWITCH_TRIGGERS, ["DISABLE"])
            cursor.execute(_DELETE_ROWS)
            cursor.execute(_SWITCH_TRIGGERS, ["ENABLE ALWAYS"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(connection.ops), "execute_sql_flush", delete_rows)
        yield
    # A thread that a test left may still have a session. Then the database could not be
    # dropped.
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(_END_OTHER_SESSIONS)


_SWITCH_TRIGGERS = """
    DO $do$ DECLARE each record; BEGIN
      FOR each IN
        SELECT tgrelid::regclass AS owner, tgname FROM pg_trigger
        WHERE tgfoid = 'audit_forbid_change'::regproc AND tgparentid = 0
      LOOP
        EXECUTE format('ALTER TABLE %%s %%s TRIGGER %%I', each.owner, %s, each.tgname);
      END LOOP;
    END $do$
"""
_DELETE_ROWS = """
    DO $do$ DECLARE owner regclass; used boolean; BEGIN
      FOR owner IN
        SELECT oid FROM pg_class WHERE relkind = 'r' AND relname <> 'django_migrations'
        AND relnamespace = current_schema()::regnamespace
      LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', owner) INTO used;
        IF used THEN
          EXECUTE format('DELETE FROM %s', owner);
        END IF;
      END LOOP;
      SET CONSTRAINTS ALL IMMEDIATE;  -- foreign keys are checked now: all rows are gone
    END $do$
"""
