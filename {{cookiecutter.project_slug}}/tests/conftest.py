"""Real servers for the tests: each worker process of pytest-xdist uses the same pair.

They start with the first test that needs one, stop with the last process that used
them, and are found again if a session was killed.
"""

import os

# Before NumPy is imported: several test processes with as many threads each as there
# are cores make a tenth of a second of training a minute.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from django.conf import settings
from django.db import connection

from lsml.embedded.servers import running


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
def django_db_setup(django_db_setup):
    """Let tests that commit (`transaction=True`) clean up after themselves.

    The append-only tables refuse TRUNCATE; only here, and only while Django empties
    the tables, their triggers are off.
    """
    operations = type(connection.ops)
    empty = operations.execute_sql_flush

    def empty_append_only_tables_too(self, sql_list):
        with self.connection.cursor() as cursor:
            cursor.execute(_SWITCH_TRIGGERS, ["DISABLE"])
            try:
                empty(self, sql_list)
            finally:
                cursor.execute(_SWITCH_TRIGGERS, ["ENABLE ALWAYS"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "execute_sql_flush", empty_append_only_tables_too)
        yield


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
