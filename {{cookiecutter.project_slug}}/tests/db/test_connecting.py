"""`manage.py connect`: the registry's side, with a fake Label Studio."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from lsml.audit.models import AuditEntry, Prediction, WebhookEvent
from lsml.audit.services import digest_of
from lsml.inference.management.commands import connect as command
from lsml.labelstudio.failures import BackendRefused
from lsml.registry import connecting
from lsml.registry.connecting import connect_project
from lsml.registry.models import Project
from tests.unit.labelstudio.test_connection import CONFIG, FakeStudio, ours

pytestmark = pytest.mark.django_db


class PlayedStudio(FakeStudio):
    """Also predicts and sends its webhook, as far as this database is concerned."""

    webhook_arrives = True
    keeps_books_here = True

    def test_prediction(self, backend_id):
        if self.keeps_books_here:
            Prediction.objects.create(
                request_id="r", client="c", project_pk=Project.objects.get().pk,
                created_at=timezone.now(), kind="batch", outcome="empty",
                latency_ms=1, batch_size=1,
            )  # fmt: skip
        return super().test_prediction(backend_id)

    def touch_project(self, project_id):
        self.calls.append("touch_project")
        if self.webhook_arrives:
            WebhookEvent.objects.create(
                request_id="r", client="c", received_at=timezone.now(),
                action="PROJECT_UPDATED", project_pk=Project.objects.get().pk,
                payload={}, digest=digest_of({}),
            )  # fmt: skip


@pytest.fixture
def studio(monkeypatch):
    monkeypatch.setattr(connecting, "WEBHOOK_TIMEOUT_S", 0.2)
    return PlayedStudio()


def run(studio):
    lines = []
    project = connect_project(
        studio=studio,
        labelstudio_id=1,
        backend=ours(),
        actor="test",
        say=lines.append,
    )
    return project, lines


def test_the_project_is_known_afterwards_and_an_audit_entry_recorded(studio):
    project, lines = run(studio)
    assert str(project.key) == "1.1795433940"
    assert (project.title, project.label_config) == ("P", CONFIG)
    assert AuditEntry.objects.get(verb="connected to label studio").actor == "test"
    assert lines[-1] == "A webhook arrived."


def test_connecting_again_records_nothing_and_does_not_touch_the_project(studio):
    run(studio)
    studio.calls.clear()
    run(studio)
    assert studio.calls == []
    assert AuditEntry.objects.filter(verb="connected to label studio").count() == 1


def test_a_webhook_that_does_not_arrive_is_a_failure(studio):
    studio.webhook_arrives = False
    with pytest.raises(BackendRefused, match="no webhook arrives"):
        run(studio)


def test_the_webhook_of_a_service_with_another_database_is_not_tried(studio):
    studio.webhook_arrives = studio.keeps_books_here = False
    _, lines = run(studio)
    assert "not tested" in lines[-1]
    assert "touch_project" not in studio.calls


@pytest.fixture
def call(monkeypatch, studio, settings):
    def connect(*options):
        monkeypatch.setattr(command, "LabelStudio", lambda **_: studio)
        access = ["--url", "http://studio.example", "--api-key", "k"]
        out = StringIO()
        call_command("connect", "--project", "1", *access, *options, stdout=out)
        return out.getvalue()

    return connect


def test_the_command_sends_the_newest_credentials(call, studio, settings):
    settings.BASIC_AUTH_CREDENTIALS = [("new", "geheim"), ("old", "x")]
    call("--backend-url", "http://10.0.0.5:9090/", "--title", "mine", "--interactive")
    [backend] = studio.by_id.values()
    assert backend["url"] == "http://10.0.0.5:9090"
    assert (backend["basic_auth_user"], backend["title"]) == ("new", "mine")
    assert backend["is_interactive"]


def test_the_command_sets_a_webhook_token_without_a_password(call, studio, settings):
    settings.BASIC_AUTH_CREDENTIALS, settings.WEBHOOK_TOKENS = [], ["t0ken"]
    call()
    [hook] = studio.hooks.values()
    assert hook["headers"]["X-Webhook-Token"] == "t0ken"


def test_the_command_keeps_a_title_unless_another_is_given(call, studio):
    call()
    [backend] = studio.by_id.values()
    assert backend["title"] == "lsml"
    backend["title"] = studio.about["model_version"] = "Sentiment"
    assert "already connected" in call()
    assert backend["title"] == "Sentiment"


def test_a_repair_is_recorded_as_a_change(studio):
    run(studio)
    studio.about["model_version"] = None
    run(studio)
    assert AuditEntry.objects.filter(verb="connected to label studio").count() == 2


def test_the_command_names_the_next_step(call):
    with pytest.raises(CommandError, match="Next step: Give the service a name"):
        call("--backend-url", "http://ml-backend:9090")


def test_the_command_requires_address_and_key_of_label_studio(settings):
    settings.LABEL_STUDIO_URL = settings.LABEL_STUDIO_API_KEY = ""
    with pytest.raises(CommandError, match="--url and --api-key"):
        call_command("connect", "--project", "1", "--url", "", "--api-key", "")
