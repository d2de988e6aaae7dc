"""Real servers for the tests: a pair for each process of pytest-xdist.

They start with the first test that needs one, stop with the process that uses them, and
are found again if a session was killed.
"""

import gc
import importlib
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

# Before NumPy is imported: several test processes with as many threads each as there
# are cores make a tenth of a second of training a minute.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import httpx
import hypothesis
import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase

from lsml.embedded.servers import running

# How many examples each property is tried on. `make test-slow` tries more.
hypothesis.settings.register_profile("quick", max_examples=25, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=200, deadline=None)
hypothesis.settings.load_profile("quick")


def pytest_xdist_auto_num_workers():
    """Use one process more than there are cores: many tests wait for something.

    Use a single one if all would share the server that DATABASE_URL names: sealing
    waits for every transaction of the cluster, also for other tests'.
    """
    return 1 if settings.DATABASE_URL else len(os.sched_getaffinity(0)) + 1


_TESTS = Path(__file__).parent
# Folders, and the mark of all their tests.
_MARKS = {
    _TESTS / "browser": "browser",
    _TESTS / "labelstudio": "labelstudio",
    _TESTS / "db" / "openapi": "slow",
}


def pytest_ignore_collect(collection_path, config):
    """Do not import deselected tests: Playwright takes a second in each process."""
    mark = _MARKS.get(collection_path)
    return (mark and f"not {mark}" in config.option.markexpr) or None


@pytest.hookimpl(wrapper=True)
def pytest_collection(session):
    """Import the tests without the garbage collector, which would find nothing.

    Nor does it later: all objects that exist by then stay to the end. It runs after
    50,000 new objects instead of 700, which took 8 % of the CPU time of API tests.
    """
    gc.disable()
    try:
        _import_own_share(session.config)
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(50_000)
        gc.enable()


def _import_own_share(config):
    """Begin at another test file than the other processes do.

    Pytest rewrites each file's assertions, and keeps the compiled result for the next
    process that imports it. Otherwise all processes would rewrite each file at once.
    """
    worker = getattr(config, "workerinput", None)
    if worker is None or config.args != config.getini("testpaths"):
        return
    files = [
        path.relative_to(_TESTS.parent)
        for path in sorted(_TESTS.rglob("test_*.py"))
        if _MARKS.keys().isdisjoint(path.parents)
    ]
    first = int(worker["workerid"][2:]) * len(files) // worker["workercount"]
    for path in files[first:] + files[:first]:
        # Pytest imports it again, and reports why it cannot be imported.
        with suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(path.with_suffix("").parts))


@pytest.fixture(autouse=True, scope="session")
def certificates_are_read_once():
    """Otherwise each client of httpx reads all authorities, in 20 ms."""
    with pytest.MonkeyPatch.context() as patch:
        name = "httpx._transports.default.create_ssl_context"
        patch.setattr(name, cache(httpx.create_ssl_context))
        yield


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

    Django's flush truncates every table, then creates all content types, permissions
    and roles again, which is most of the time of many tests. Here these stay, and rows
    are deleted from the few tables that have any.
    """

    def delete_rows(test_case):
        with connection.cursor() as cursor:
            cursor.execute(_DELETE_ROWS)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", delete_rows)
        yield
    # A thread that a test left may still have a session. Then the database could not be
    # dropped.
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(_END_OTHER_SESSIONS)


# The append-only tables refuse a deletion. Only here, and only for this transaction,
# their triggers are off.
_DELETE_ROWS = """
    DO $do$ DECLARE owner regclass; used boolean; guard name; BEGIN
      FOR owner IN
        SELECT oid FROM pg_class WHERE relkind = 'r'
        AND relnamespace = current_schema()::regnamespace AND relname NOT IN (
          'django_migrations', 'django_content_type', 'auth_permission', 'auth_group',
          'auth_group_permissions'
        )
      LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', owner) INTO used;
        CONTINUE WHEN NOT used;
        SELECT tgname INTO guard FROM pg_trigger WHERE tgrelid = owner
          AND tgfoid = 'audit_forbid_change'::regproc AND (tgtype & 8) <> 0;
        IF guard IS NULL THEN
          EXECUTE format('DELETE FROM %s', owner);
        ELSE
          EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', owner, guard);
          EXECUTE format('DELETE FROM %s', owner);
          EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', owner, guard);
        END IF;
      END LOOP;
      SET CONSTRAINTS ALL IMMEDIATE;  -- foreign keys are checked now: all rows are gone
    END $do$
"""
