"""Who sits before the console."""

import pytest

from tests.console import factory
from tests.db.conftest import constant, serve

__all__ = ["constant", "serve"]  # the story's versions have no artifacts to load


@pytest.fixture
def viewer(client):
    client.force_login(factory.person("vera", "viewer"))
    return client


@pytest.fixture
def operator(client):
    client.force_login(factory.person("olga", "operator"))
    return client
