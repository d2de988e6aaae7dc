"""Users of the console, and the messages it sends."""

import pytest

from tests.broker import collect_messages
from tests.console import factory
from tests.db.conftest import constant, serve

__all__ = ["constant", "serve"]  # the story's versions have no artifacts to load


@pytest.fixture(autouse=True)
def notifications(monkeypatch):
    """Collect the messages that would have been sent to a worker."""
    return collect_messages(monkeypatch)


@pytest.fixture
def viewer(client):
    client.force_login(factory.person("vera", "viewer"))
    return client


@pytest.fixture
def operator(client):
    client.force_login(factory.person("olga", "operator"))
    return client
