"""The payload that a webhook left out is fetched from Label Studio."""

import pytest

from lsml.dataset.models import Annotation, Task
from lsml.labelstudio.failures import Unreachable
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.webhooks import WebhookRequest
from lsml.observability.origin import Origin
from lsml.registry import label_studio
from lsml.registry.services import get_or_create_project
from lsml.training.inbox import payloads
from lsml.training.inbox.accept import receive
from lsml.training.inbox.events import take_events
from lsml.training.inbox.payloads import missing_payload_warning
from lsml.training.inbox.process import process_waiting_events
from lsml.training.inbox.waiting import waiting_of
from lsml.training.models import InboxEntry
from lsml.training.runs import open_run
from tests.db.conftest import CONFIG
from tests.db.dataset.test_sync import FakeStudio

pytestmark = pytest.mark.django_db
KEY = "1.1795435200"  # FakeStudio's project


@pytest.fixture(autouse=True)
def quiet(monkeypatch, settings):
    """A fake Label Studio, and no pause left from an earlier failure."""
    monkeypatch.setattr(payloads, "_not_before", 0.0)
    settings.LABEL_STUDIO_URL = "http://studio.example"
    settings.LABEL_STUDIO_API_KEY = "key"


@pytest.fixture
def studio(monkeypatch):
    studio = FakeStudio()
    monkeypatch.setattr(label_studio, "LabelStudio", lambda **_: studio)
    return studio


@pytest.fixture
def project(db):
    project = get_or_create_project(ProjectKey.parse(KEY))
    project.training_mode = "manual"  # no run in the way
    project.save()
    return project


def send_without_payload(action="ANNOTATION_CREATED", named=KEY):
    body = {"action": action}
    request = WebhookRequest.parse(body, named_project=named)
    origin = Origin(request_id="test-request", client="tests")
    return receive(request=request, body=body, digest="0" * 64, origin=origin)


def test_what_changed_is_fetched_and_counted_for_the_policy(studio, project):
    studio.annotate(2, 10)
    studio.annotate(3, 11)
    send_without_payload()
    send_without_payload()
    process_waiting_events(project.pk)
    assert Annotation.objects.count() == 2
    assert waiting_of(project).annotations == 2
    assert not InboxEntry.objects.filter(applied_at=None).exists()


def test_unless_tasks_were_deleted_only_newer_changes_are_requested(studio, project):
    studio.annotate(2, 10)
    send_without_payload()
    process_waiting_events(project.pk)
    asked = []
    pages = studio.pages
    studio.pages = lambda *a, **o: asked.append(o["since"]) or pages(*a, **o)
    send_without_payload()
    process_waiting_events(project.pk)
    assert asked[0] is not None


def test_deleted_tasks_are_found(studio, project):
    send_without_payload()
    process_waiting_events(project.pk)
    del studio.tasks[4]
    send_without_payload("TASKS_DELETED")
    process_waiting_events(project.pk)
    assert Task.objects.get(deleted_at__isnull=False).task_id == 4


def test_while_label_studio_is_down_the_event_waits_and_others_do_not(
    studio, project, monkeypatch
):
    def away(*_, **__):
        raise Unreachable(url="http://studio.example", reason=OSError("gone"))

    there = studio.project
    studio.project = away
    send_without_payload()
    process_waiting_events(project.pk)
    assert InboxEntry.objects.get().payload_missing
    assert waiting_of(project).fresh == 0  # no run is opened for nothing
    run = open_run(project=project, trigger="person", requested_by="test")
    take_events(run)
    assert not run.events.exists()
    studio.project = there
    studio.annotate(2, 10)
    process_waiting_events(project.pk)
    assert not Annotation.objects.exists()  # too soon to ask again
    monkeypatch.setattr(payloads, "_not_before", 0.0)
    process_waiting_events(project.pk)
    assert Annotation.objects.exists()


def test_without_credentials_the_run_says_what_is_missing(project, settings):
    settings.LABEL_STUDIO_API_KEY = ""
    send_without_payload()
    process_waiting_events(project.pk)
    assert waiting_of(project).annotations == 1
    run = open_run(project=project, trigger="person", requested_by="test")
    take_events(run)
    assert "1 of the events came without payload" in missing_payload_warning(run)
    assert "LABEL_STUDIO_API_KEY" in missing_payload_warning(run)


def test_the_host_that_a_caller_of_setup_names_is_not_contacted(
    project, settings, post, server
):
    settings.LABEL_STUDIO_URL = ""
    post("/setup", {"project": KEY, "schema": CONFIG, "hostname": server.url})
    project.refresh_from_db()
    assert project.hostname == server.url
    send_without_payload()
    process_waiting_events(project.pk)
    assert server.requests == []


def test_a_run_without_missing_payloads_has_no_warning(project, settings):
    settings.LABEL_STUDIO_API_KEY = ""
    run = open_run(project=project, trigger="person", requested_by="test")
    assert missing_payload_warning(run) == ""


def test_an_event_without_a_project_is_assigned_to_the_only_one(project):
    assert send_without_payload(named="").project_pk == project.pk


def test_an_event_without_a_project_is_assigned_to_none_of_several(project):
    get_or_create_project(ProjectKey(2, 5))
    assert send_without_payload(named="").project_pk is None
