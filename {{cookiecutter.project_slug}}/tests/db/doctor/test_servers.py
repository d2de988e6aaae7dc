"""What does not answer is found, and what answers is not."""

from datetime import UTC, datetime

import pytest
from celery import Celery
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from redis.exceptions import ConnectionError as NoBroker

from lsml.audit import sealing
from lsml.doctor import servers
from lsml.doctor.findings import Level
from tests.db.audit.rows import predict
from tests.model_process import frozen_model_process, model_process

KEY = "0123456789abcdef0123456789abcdef01234567"  # a legacy token


@pytest.mark.django_db
def test_a_database_that_answers_is_fine(attention):
    assert attention(servers.check_postgresql) == {}


@pytest.mark.django_db
def test_missing_migrations_are_found(attention):
    MigrationRecorder(connection).record_unapplied("training", "0001_initial")
    assert (
        "manage.py prepare"
        in attention(servers.check_postgresql)["PostgreSQL"].next_step
    )


def app_with(monkeypatch, url):
    app = Celery(set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.conf.broker_url = url
    monkeypatch.setattr(servers, "current_app", app)


def test_a_broker_that_answers_is_fine(broker, monkeypatch, attention):
    app_with(monkeypatch, broker)
    assert attention(servers.check_broker) == {}


@pytest.mark.slow
def test_a_broker_that_is_stopped_is_found(monkeypatch):
    app_with(monkeypatch, "redis://127.0.0.1:1/0")
    with pytest.raises(NoBroker):
        list(servers.check_broker())


def test_an_artifact_storage_that_cannot_be_written_is_found(
    settings, tmp_path, attention
):
    def use(folder):
        backend = "django.core.files.storage.FileSystemStorage"
        storage = {"BACKEND": backend, "OPTIONS": {"location": folder}}
        settings.STORAGES = settings.STORAGES | {"artifacts": storage}

    use(tmp_path)
    assert attention(servers.check_artifacts) == {}
    (tmp_path / "file").write_text("not a folder")
    use(tmp_path / "file" / "folder")
    assert "lsml.E032" in attention(servers.check_artifacts)["artifact storage"].text


@pytest.mark.django_db
def test_a_model_process_that_does_not_answer_is_found(settings, attention):
    assert list(servers.check_model_process()) == []
    settings.MODEL_PLACEMENT = "process"
    with model_process() as settings.MODEL_URL:
        assert attention(servers.check_model_process) == {}
    found = attention(servers.check_model_process)["model process"]
    assert found.level is Level.PROBLEM


@pytest.mark.django_db
def test_a_background_model_process_that_does_not_answer_is_found(settings, attention):
    settings.MODEL_PLACEMENT = "process"
    settings.BACKGROUND_MODEL_URL = "http://127.0.0.1:1"
    with model_process() as settings.MODEL_URL:
        found = attention(servers.check_model_process)
    assert set(found) == {"background model process"}
    said = found["background model process"]
    assert "BACKGROUND_MODEL_URL" in said.text
    assert "evaluations and versions in shadow wait" in said.next_step


@pytest.mark.django_db
def test_a_frozen_model_process_is_found(settings, attention, monkeypatch):
    settings.MODEL_PLACEMENT = "process"
    with (
        model_process() as settings.MODEL_URL,
        frozen_model_process(monkeypatch) as url,
    ):
        settings.BACKGROUND_MODEL_URL = url
        found = attention(servers.check_model_process)
    assert set(found) == {"background model process"}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"id": 1, "email": "ann@example.com"}, None),
        ((401, {}, {"detail": "Invalid token."}), "does not know this API key"),
        ((200, {}, b"<html>a proxy</html>"), "is not Label Studio's API"),
    ],
)
def test_a_label_studio_that_refuses_the_key_is_found(
    settings, server, attention, answer, says
):
    server.answers["/api/current-user/whoami"] = answer
    settings.LABEL_STUDIO_URL, settings.LABEL_STUDIO_API_KEY = server.url, KEY
    found = attention(servers.check_label_studio)
    if says is None:
        assert found == {}
    else:
        assert says in found["Label Studio"].text


@pytest.mark.slow
def test_a_label_studio_that_does_not_answer_is_found(settings, attention):
    assert attention(servers.check_label_studio) == {}
    settings.LABEL_STUDIO_URL = "http://127.0.0.1:1"
    settings.LABEL_STUDIO_API_KEY = KEY
    assert (
        "does not answer" in attention(servers.check_label_studio)["Label Studio"].text
    )


@pytest.mark.django_db(transaction=True)
def test_a_latest_seal_that_is_not_anchored_is_found(
    settings, tmp_path, monkeypatch, attention
):
    monkeypatch.setattr(servers, "_ANCHORED_AFTER_S", 0)
    anchors = tmp_path / "anchors.jsonl"
    settings.AUDIT_ANCHOR = anchors.as_uri()
    assert attention(servers.check_anchor) == {}  # nothing was sealed
    for _ in range(2):
        predict()
        sealing.seal()
    assert attention(servers.check_anchor) == {}
    first = anchors.read_text().splitlines()[0]
    anchors.write_text(f"{first}\n")
    assert "is not there" in attention(servers.check_anchor)["anchor"].text
    anchors.unlink()
    assert "is not there" in attention(servers.check_anchor)["anchor"].text


def test_an_anchor_that_accepts_no_connection_is_found(settings, server, attention):
    settings.AUDIT_ANCHOR = f"{server.url}/seals"
    assert attention(servers.check_anchor) == {}
    settings.AUDIT_ANCHOR = "http://127.0.0.1:1/seals"
    with pytest.raises(OSError, match="refused"):
        list(servers.check_anchor())


@pytest.mark.django_db
@pytest.mark.parametrize(("skew_s", "is_found"), [(0.0, False), (-90.0, True)])
def test_a_wrong_clock_is_found(monkeypatch, attention, skew_s, is_found):
    behind = datetime.now(tz=UTC).timestamp
    monkeypatch.setattr("lsml.environment.clock.time.time", lambda: behind() + skew_s)
    assert ("this host" in attention(servers.check_clock)) is is_found


def test_wrong_settings_are_found(settings, attention):
    assert attention(servers.check_settings) == {}
    settings.AUDIT_INPUTS = "ful"
    assert "lsml.E020" in attention(servers.check_settings)["settings"].text
