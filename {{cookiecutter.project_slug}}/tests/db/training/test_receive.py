"""A webhook is stored atomically, and waking a worker never delays it."""

import time

import pytest
from django.db import OperationalError, connection

from lsml.audit.models import WebhookEvent
from lsml.jobs import notify
from lsml.labelstudio.webhooks import WebhookRequest
from lsml.observability.origin import Origin
from lsml.registry.models import Project
from lsml.training.inbox import accept
from lsml.training.inbox import waiting as inbox_waiting
from lsml.training.inbox.accept import receive
from lsml.training.models import InboxEntry
from tests.broker import collect_messages

ORIGIN = Origin(request_id="test-request", client="tests")
PROJECT = {"id": 7, "created_at": "2026-11-23T11:39:00Z", "title": "Sounds"}


@pytest.fixture(autouse=True)
def notifications(monkeypatch):
    return collect_messages(monkeypatch)


def annotation_created(number=1, **changes):
    annotation = {
        "id": number,
        "task": 13,
        "project": 7,
        "result": [],
        "was_cancelled": False,
    }
    return {
        "action": "ANNOTATION_CREATED",
        "annotation": annotation | changes,
        "task": {"id": 13, "data": {"text": "hm"}},
        "project": PROJECT,
    }


def send(body):
    return receive(
        request=WebhookRequest.parse(body), body=body, digest="0" * 64, origin=ORIGIN
    )


@pytest.fixture(params=["one statement", "transaction"])
def way(request, db, monkeypatch):
    """Run the test with each way to write an event; the first needs a known project."""
    if request.param == "transaction":
        monkeypatch.setattr(accept, "_write_if_unchanged", lambda *_: None)
        return
    Project.objects.create(
        labelstudio_id=7, created_stamp=1795433940, title=PROJECT["title"]
    )
    monkeypatch.setattr(accept, "project_from_event", refuse)


def refuse(**_):
    pytest.fail("The project is stored as it was sent, so one statement is enough.")


def test_an_annotation_is_recorded_and_waits_in_the_inbox(way):
    event = send(annotation_created())
    entry = InboxEntry.objects.get()
    assert (entry.event_id, entry.action, entry.annotations) == (
        event.pk,
        "ANNOTATION_CREATED",
        1,
    )
    assert WebhookEvent.objects.get().payload["task"]["data"] == {"text": "hm"}


def test_a_skipped_annotation_waits_but_counts_for_nothing(way):
    send(annotation_created(was_cancelled=True))
    assert InboxEntry.objects.get().annotations == 0


@pytest.mark.parametrize(
    "action", ["PROJECT_UPDATED", "LABEL_LINK_CREATED", "SOMETHING_NEW"]
)
def test_what_does_not_concern_training_is_recorded_only(way, action, notifications):
    send({"action": action, "project": PROJECT})
    assert WebhookEvent.objects.get().action == action
    assert not InboxEntry.objects.exists()
    assert not notifications


def test_an_archived_project_keeps_the_record_and_trains_nothing(way):
    send(annotation_created())
    Project.objects.update(archived_at="2026-11-23T12:00:00Z")
    send(annotation_created(2))
    assert WebhookEvent.objects.count() == 2
    assert InboxEntry.objects.count() == 1


def test_a_worker_is_notified_after_the_commit(
    way, notifications, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        event = send(annotation_created())
        assert not notifications
    assert notifications == [(inbox_waiting.PROCESS_INBOX, event.project_pk)]


def test_a_dead_broker_is_asked_once_and_then_left_alone(monkeypatch):
    asked = []

    def refuse(*_, **__):
        asked.append(1)
        raise notify.OperationalError("connection refused")

    monkeypatch.setattr(notify.current_app, "send_task", refuse)
    assert not any(notify.notify(inbox_waiting.PROCESS_INBOX, 1) for _ in range(1000))
    assert len(asked) == 1


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_broke_before_commit_costs_one_more_try(monkeypatch):
    real, broken = accept.execute_prepared, []

    def break_once(statement, parameters):
        if statement == accept._ACCEPT_FOR_PROJECT and not broken:
            broken.append(1)
            raise OperationalError("server closed the connection unexpectedly")
        return real(statement, parameters)

    monkeypatch.setattr(accept, "execute_prepared", break_once)
    send(annotation_created())
    assert broken
    assert WebhookEvent.objects.count() == 1
    assert InboxEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_commit_of_unknown_outcome_is_not_tried_again(monkeypatch):
    tries = []

    def break_at_commit():
        tries.append(1)
        raise OperationalError("connection lost while committing")

    send(annotation_created())
    monkeypatch.setattr(connection, "commit", break_at_commit, raising=False)
    renamed = annotation_created(2) | {"project": PROJECT | {"title": "Noises"}}
    with pytest.raises(OperationalError):
        send(renamed)
    assert len(tries) == 1


def test_many_notifications_for_a_project_become_two(notifications, monkeypatch):
    monkeypatch.setattr(notify, "AT_MOST_EVERY_S", 1.0)  # longer than the loop takes
    for _ in range(50):
        inbox_waiting.notify_inbox(7)
    assert notifications == [(inbox_waiting.PROCESS_INBOX, 7)]
    until = time.monotonic() + 20
    while len(notifications) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert notifications == [(inbox_waiting.PROCESS_INBOX, 7)] * 2
    inbox_waiting.notify_inbox(8)
    assert len(notifications) == 3
