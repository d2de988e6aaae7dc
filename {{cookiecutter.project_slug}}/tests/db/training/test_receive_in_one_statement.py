"""One statement accepts an event of a known project, as the longer way would."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from psycopg.pq import Trace

from lsml.audit.models import AuditEntry, WebhookEvent
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.webhooks import PROJECT_HEADER
from lsml.registry.models import Project
from lsml.training.inbox import accept
from lsml.training.models import InboxEntry
from tests.db.conftest import CONFIG, PROTOCOL, recorded

from .receiving import PROJECT, STAMP, annotation_created, send

RECORDED = sorted(path.stem for path in (PROTOCOL / "webhook").glob("*.json"))

pytestmark = pytest.mark.django_db


@pytest.fixture
def longer_way(monkeypatch):
    """The list of calls that updated the project, before the event was written."""
    calls, real = [], accept.project_from_event

    def keep(**facts):
        calls.append(facts)
        return real(**facts)

    monkeypatch.setattr(accept, "project_from_event", keep)
    return calls


# --- What it costs ---


@pytest.mark.django_db(transaction=True)
def test_an_event_of_a_known_project_costs_one_statement(post, constant):
    body = recorded("webhook/annotation_created")
    post("/webhook", body)
    with CaptureQueriesContext(connection) as captured:
        assert post("/webhook", body).status_code == 200
    assert len(captured) == 1  # BEGIN and COMMIT would be counted
    assert InboxEntry.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_an_event_of_a_known_project_costs_one_round_trip(post, constant, tmp_path):
    connection.close()  # one from an earlier test may reach CONN_MAX_AGE in this one
    body = recorded("webhook/annotation_created")
    post("/webhook", body)
    post("/webhook", body)  # plans the statement
    connection.close_if_unusable_or_obsolete()  # as each request of a real client does
    wire = connection.connection.pgconn
    with (tmp_path / "trace").open("w+") as trace:
        wire.trace(trace.fileno())
        wire.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        assert post("/webhook", body).status_code == 200
        wire.untrace()
        trace.seek(0)
        sent = [line.split()[2] for line in trace if line.startswith("F")]
    assert sent == ["Bind", "Describe", "Execute", "Sync"]


@pytest.mark.django_db(transaction=True)
def test_numbers_of_any_size_share_one_plan(project):
    for number in (1, 2**20, 2**40, 2**62):
        body = annotation_created()
        body["annotation"] |= {"id": number, "task": number}
        body["task"]["id"] = number
        send(body)
    send({"action": "TASKS_DELETED", "tasks": [], "project": PROJECT})
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone() == (1,)
    assert WebhookEvent.objects.filter(task_id=2**62).exists()


@pytest.mark.django_db(transaction=True)
def test_behind_a_pooler_nothing_is_prepared(project, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    send()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone() == (0,)
    assert InboxEntry.objects.count() == 1


# --- Both ways write the same ---


def written(body, named):
    event = send(body, named=named)
    rows = [
        *WebhookEvent.objects.filter(pk=event.pk).values(),
        *InboxEntry.objects.filter(pk=event.pk).values(),
    ]
    for row in rows:
        row.pop("id", None)
        row.pop("event_id", None)
        row.pop("received_at")
    return rows


@pytest.mark.parametrize("name", RECORDED)
def test_both_ways_write_the_same_rows(name, longer_way, monkeypatch):
    captured = json.loads((PROTOCOL / "webhook" / f"{name}.json").read_text())
    body, named = captured["request"], captured["headers"].get(PROJECT_HEADER, "1")
    send(body, named=named)
    longer_way.clear()
    short = written(body, named)
    assert not longer_way
    monkeypatch.setattr(accept, "_write_if_unchanged", lambda *_: None)
    long = written(body, named)
    assert longer_way
    assert short == long


def test_a_secret_is_masked_in_the_one_statement(project):
    event = send({**annotation_created(), "token": "geheim"})
    assert WebhookEvent.objects.get(pk=event.pk).payload["token"] == "***"


# --- When it is not enough ---


def test_an_event_of_an_unknown_project_creates_it(longer_way):
    event = send()
    assert longer_way
    created = Project.objects.get(pk=event.project_pk)
    assert (created.key, created.title) == (ProjectKey(7, STAMP), "Sounds")
    assert InboxEntry.objects.get().project == created


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Noises"},
        {"title": "Sounds "},
        {"label_config": CONFIG.replace("Negative", "Bad")},
        {"label_config": CONFIG + "\n"},
    ],
)
def test_what_changed_is_stored_with_the_event(project, change):
    event = send(**change)
    assert Project.objects.filter(pk=event.project_pk, **change).exists()
    assert InboxEntry.objects.get().event_id == event.pk


def test_a_changed_label_config_is_in_the_audit_log(project):
    send(label_config=CONFIG.replace("Negative", "Bad"))
    assert AuditEntry.objects.filter(verb="label config changed").count() == 1


@pytest.mark.parametrize(
    "change",
    [{"title": None}, {"title": ""}, {"title": 5}, {"label_config": None}],
)
def test_what_was_not_sent_changes_nothing(project, longer_way, change):
    send(**change)
    assert not longer_way
    project.refresh_from_db()
    assert (project.title, project.label_config) == ("Sounds", CONFIG)


def test_a_title_longer_than_the_column_is_a_change_only_once(project, longer_way):
    send(title="S" * 600)
    send(title="S" * 600)
    assert len(longer_way) == 1
    project.refresh_from_db()
    assert project.title == "S" * 500


def test_an_event_with_an_unreadable_label_config_is_kept(project):
    event = send(label_config="<View")
    project.refresh_from_db()
    assert project.label_config == CONFIG
    assert InboxEntry.objects.get().event_id == event.pk


def test_an_event_goes_to_the_project_with_its_stamp(project, longer_way):
    later = Project.objects.create(
        labelstudio_id=7, created_stamp=STAMP + 60, title="Sounds", label_config=CONFIG
    )
    assert send().project_pk == project.pk
    assert send(created_at="2026-11-23T11:40:00Z").project_pk == later.pk
    assert not longer_way


def test_without_a_stamp_the_latest_project_gets_the_event(project, longer_way):
    later = Project.objects.create(labelstudio_id=7, created_stamp=STAMP + 60)
    body = {"action": "ANNOTATION_CREATED"}
    assert send(body, named="7").project_pk == later.pk
    assert not longer_way


def test_a_change_is_stored_in_the_latest_project_only(project):
    later = Project.objects.create(labelstudio_id=7, created_stamp=STAMP + 60)
    event = send(created_at=None)  # the older project has this title already
    assert event.project_pk == later.pk
    later.refresh_from_db()
    assert later.title == "Sounds"


def test_a_project_without_a_stamp_takes_the_one_that_is_sent(db):
    known = Project.objects.create(
        labelstudio_id=7, title="Sounds", label_config=CONFIG
    )
    assert send().project_pk == known.pk
    known.refresh_from_db()
    assert known.created_stamp == STAMP


def test_the_stamp_zero_is_a_stamp(project, longer_way):
    first = Project.objects.create(
        labelstudio_id=7, created_stamp=0, title="Sounds", label_config=CONFIG
    )
    assert send(created_at="1970-01-01T00:00:00Z").project_pk == first.pk
    assert not longer_way


def test_an_event_that_names_no_project_goes_to_the_only_one(project):
    assert send({"action": "ANNOTATION_CREATED"}).project_pk == project.pk
    assert InboxEntry.objects.get().payload_missing


def test_an_event_that_names_no_project_may_belong_to_none(project):
    Project.objects.create(labelstudio_id=8)
    event = send({"action": "ANNOTATION_CREATED"})
    assert (event.project_pk, event.waits) == (None, False)
    assert WebhookEvent.objects.get().project_pk is None
