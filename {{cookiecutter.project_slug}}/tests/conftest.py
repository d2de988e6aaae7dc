"""Real servers for the tests: each worker process of pytest-xdist uses the same pair.

They start with the first test that needs one, stop with the last process that used
them, and are found again if a session was killed.
"""

import pytest
from django.conf import settings

from lsml.embedded.servers import running


@pytest.fixture(scope="session")
def postgres():
    """Have a PostgreSQL that trades durability for speed, unless one is given."""
    if settings.DATABASE_URL:
        yield
        return
    with running(settings.DATA_DIR, broker=False, durable=False):
        yield


@pytest.fixture(scope="session")
def broker():
    """Have a broker at CELERY_BROKER_URL; gives the URL."""
    if not settings.CELERY_BROKER_URL.startswith("redis+socket://"):
        yield settings.CELERY_BROKER_URL
        return
    with running(settings.DATA_DIR, postgres=False, durable=False):
        yield settings.CELERY_BROKER_URL


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    postgres, django_db_modify_db_settings_parallel_suffix
):
    """Pytest-django asks for this before it makes the test database."""
