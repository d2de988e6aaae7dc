"""Who sits before the console."""

import pytest

from tests.console import factory


@pytest.fixture
def viewer(client):
    client.force_login(factory.person("vera", "viewer"))
    return client


@pytest.fixture
def operator(client):
    client.force_login(factory.person("olga", "operator"))
    return client
