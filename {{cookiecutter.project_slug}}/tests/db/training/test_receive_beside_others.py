"""Others write, or end the connection, at the moment when an event is accepted."""

import os
import socket
import threading
import time
from contextlib import contextmanager

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection

from lsml.audit.models import WebhookEvent
from lsml.training.inbox import accept
from lsml.training.models import InboxEntry
from tests.db.conftest import database_url

from .receiving import send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def closed_connection(transactional_db):
    """Whatever became of the connection, the next test gets a new one."""
    yield
    connection.close()


@pytest.fixture
def other():
    """Another connection, with a transaction open."""
    with psycopg.connect(database_url()) as other:
        yield other


@pytest.fixture
def watching():
    """A third connection, for another thread."""
    with psycopg.connect(database_url(), autocommit=True) as watching:
        yield watching


@contextmanager
def once_somebody_waits(watching, act):
    """Call `act` from a thread when a statement waits for a lock."""

    def wait():
        until = time.monotonic() + 20
        while time.monotonic() < until and not blocked(watching):
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


def blocked(watching):
    return watching.execute(
        "SELECT pid FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    ).fetchone()


def backend_pid():
    return connection.connection.info.backend_pid


def stored():
    """Event ids of both tables, in ascending order."""
    events = WebhookEvent.objects.order_by("pk")
    entries = InboxEntry.objects.order_by("event_id")
    return (
        list(events.values_list("pk", flat=True)),
        list(entries.values_list("event_id", flat=True)),
    )


# --- Others that write ---


def test_a_project_that_is_deleted_at_this_moment_is_created_again(
    project, other, watching
):
    other.execute("DELETE FROM registry_project WHERE id = %s", [project.pk])
    with once_somebody_waits(watching, other.commit):
        event = send()
    assert event.project_pk != project.pk
    assert WebhookEvent.objects.get().project_pk == event.project_pk
    assert InboxEntry.objects.get().project_id == event.project_pk


def test_an_event_does_not_wait_for_a_project_that_is_being_archived(project, other):
    other.execute("UPDATE registry_project SET archived_at = now()")
    before = send()
    assert before.waits
    other.commit()
    after = send()
    assert not after.waits
    assert stored() == ([before.pk, after.pk], [before.pk])


def test_without_its_inbox_entry_no_event_is_stored(project, monkeypatch):
    monkeypatch.setattr(accept, "_trainable_count", lambda _: -1)
    with pytest.raises(IntegrityError):
        send()
    assert stored() == ([], [])


# --- A connection that ends ---


@pytest.mark.parametrize("checked", [True, False])
def test_an_event_after_a_restart_of_the_database_is_accepted(
    project, watching, checked
):
    send()
    watching.execute("SELECT pg_terminate_backend(%s, 5000)", [backend_pid()])
    if checked:  # as before each request
        connection.close_if_unusable_or_obsolete()
    second = send()
    assert second.pk in stored()[0]
    assert len(stored()[0]) == len(stored()[1]) == 2


def test_a_statement_that_the_database_ended_is_sent_once_more(
    project, other, watching
):
    send()
    ended = backend_pid()
    other.execute("LOCK TABLE training_inboxentry IN EXCLUSIVE MODE")

    def end_the_connection():
        watching.execute("SELECT pg_terminate_backend(%s, 5000)", [ended])
        other.commit()

    with once_somebody_waits(watching, end_the_connection):
        event = send()
    assert backend_pid() != ended
    assert len(stored()[0]) == 2
    assert stored()[0] == stored()[1]
    assert event.pk in stored()[0]


def test_a_statement_whose_outcome_is_unknown_is_not_sent_again(
    project, other, watching
):
    send()
    lost = socket.socket(fileno=os.dup(connection.connection.fileno()))
    other.execute("LOCK TABLE training_inboxentry IN EXCLUSIVE MODE")

    def cut_the_line():
        lost.shutdown(socket.SHUT_RDWR)  # the server goes on with the statement

    with (
        once_somebody_waits(watching, cut_the_line),
        pytest.raises(OperationalError),
    ):
        send()
    other.commit()
    lost.close()
    connection.close()
    until = time.monotonic() + 20
    while len(stored()[0]) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(stored()[0]) == 2  # committed, though nobody was told
    assert stored()[0] == stored()[1]
