"""Each wrong setting is reported with its id, a sentence and a hint."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery import Celery
from celery.worker.control import Panel
from django.core.checks import Tags, run_checks
from structlog.testing import capture_logs

from config import celery_app
from lsml.environment.checking import MODEL_TAG, TAG, refuse_wrong_settings
from lsml.environment.checks import check_clock
from lsml.environment.reading import Environment
from lsml.environment.worker import (
    check_worker_pool,
    keep_settings_secret,
    refuse_wrong_worker,
    warn_of_missing_queue,
)
from lsml.registry.model_class import model_class

PROJECT = Path(__file__).parents[3]
ID = re.compile(r"lsml\.[EW]\d{3}")


def found(*tags):
    """Return the ids that the checks of each process and these tags report."""
    messages = run_checks(tags=[TAG, *tags], databases=["default"] if tags else None)
    assert all(message.hint for message in messages)
    return sorted(message.id for message in messages)  # Django keeps checks in a set


def test_the_settings_of_the_tests_have_no_errors():
    assert found() == []


@pytest.mark.parametrize(
    ("check_id", "name", "value"),
    [
        ("lsml.E001", "UNREADABLE", {"AUDIT_SEAL_S": "a number"}),
        ("lsml.E002", "DATABASE_STATEMENT_TIMEOUT_MS", -1),
        ("lsml.E002", "AUDIT_SEAL_ROWS_MAX", 0),
        ("lsml.E002", "AUDIT_SEAL_S", float("nan")),
        ("lsml.E002", "AUDIT_RETENTION_DAYS", {"audit_prediction": -1}),
        ("lsml.E002", "TRAINING_LEASE_S", 0),
        ("lsml.E002", "TRAINING_MAX_ATTEMPTS", 0),
        ("lsml.E002", "MODELS_IN_MEMORY_MAX", 0),
        ("lsml.E002", "PREDICT_WAIT_S", -1),
        ("lsml.E002", "MAX_REQUEST_MB", 0),
        ("lsml.E002", "SESSION_HOURS", 0),
        ("lsml.E003", "SECRET_KEY", ""),
        ("lsml.E004", "ALLOWED_HOSTS", []),
        ("lsml.E004", "ALLOWED_HOSTS", ["https://ml.example.com"]),
        ("lsml.E004", "ALLOWED_HOSTS", ["ml.example.com:9090"]),
        ("lsml.E005", "DATABASE_URL", "mysql://db/lsml"),
        ("lsml.E006", "CELERY_BROKER_URL", "kafka://broker"),
        ("lsml.E020", "AUDIT_INPUTS", "ful"),
        ("lsml.E021", "AUDIT_ANCHOR", "ftp://archive.example/seals"),
        ("lsml.E021", "AUDIT_ANCHOR", "s3://"),
        ("lsml.E030", "ARTIFACT_STORAGE", "gs://bucket"),
        ("lsml.E031", "LABEL_STUDIO_URL", "studio.example.com"),
        ("lsml.E031", "LABEL_STUDIO_URL", "https://me:pw@studio.example.com"),
        ("lsml.E031", "SERVICE_URL", "ml.example.com:9090"),
        ("lsml.E040", "BASIC_AUTH_CREDENTIALS", [("label-studio", "")]),
        ("lsml.E040", "BASIC_AUTH_PASS", "without-a-user"),
        ("lsml.E042", "TRUSTED_PROXIES", ["proxy"]),
        ("lsml.E042", "TRUSTED_PROXIES", ["10.0.0.0/33"]),
        ("lsml.E031", "CONSOLE_URL", "ml.example.com"),
        ("lsml.E060", "ALERT_WEBHOOK_URL", "hooks.example.com/services/x"),
        ("lsml.E060", "ALERT_WEBHOOK_URL", "https://hooks.example.com/a b"),
        ("lsml.E060", "ALERT_WEBHOOK_URL", "https://hooks.example.com:port/a"),
        ("lsml.E061", "ALERT_EMAIL_TO", ["ana@example.com"]),
        ("lsml.W060", "ALERT_WEBHOOK_URL", "http://hooks.example.com/services/x"),
        ("lsml.W030", "LABEL_STUDIO_URL", "https://studio.example.com"),
    ],
)
def test_a_wrong_value_is_reported(settings, check_id, name, value):
    setattr(settings, name, value)
    assert check_id in found()


def test_an_artifact_cache_that_others_can_change_is_reported(settings, tmp_path):
    settings.ARTIFACT_CACHE_DIR, settings.PROCESS = tmp_path, "web"
    tmp_path.chmod(0o770)
    assert found() == ["lsml.E034"]


def test_hosts_in_brackets_are_accepted(settings):
    settings.ALLOWED_HOSTS = ["ml.example.com", ".example.com", "[::1]"]
    assert found() == []


def test_any_host_name_in_production_is_a_warning(settings):
    settings.ALLOWED_HOSTS, settings.HTTPS = ["*"], True
    assert "lsml.W001" in found()


def test_no_credentials_in_production_are_a_warning(settings):
    settings.BASIC_AUTH_CREDENTIALS, settings.HTTPS = [], True
    assert found() == ["lsml.W040"]


@pytest.mark.parametrize(
    ("name", "value"), [("PROCESS", "worker"), ("WEBHOOK_TOKENS", ["a token"])]
)
def test_no_warning_where_nobody_calls_or_a_token_is_required(settings, name, value):
    settings.BASIC_AUTH_CREDENTIALS, settings.HTTPS = [], True
    setattr(settings, name, value)
    assert found() == []


@pytest.mark.parametrize("rate", ["600", "600/fortnight", "many/min", ""])
def test_a_rate_that_cannot_be_read_is_reported(settings, rate):
    rates = {"DEFAULT_THROTTLE_RATES": {"user": rate, "anon": "1/s", "login": "1/s"}}
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | rates
    assert found() == ["lsml.E041"]


def test_a_number_that_gunicorn_reads_is_checked_too(monkeypatch):
    monkeypatch.setenv("WEB_WORKERS", "two")
    monkeypatch.setenv("WEB_THREADS", "0")
    assert found() == ["lsml.E001", "lsml.E002"]


def test_a_missing_database_url_without_an_embedded_server_is_reported(
    settings, monkeypatch
):
    settings.DATABASE_URL = ""
    monkeypatch.setattr(
        "lsml.environment.checks.find_spec", lambda name, package=None: None
    )
    assert found() == ["lsml.E007"]


def test_a_worker_without_threads_is_reported():
    assert check_worker_pool("threads") == []
    [message] = check_worker_pool("solo")
    assert (message.id, "--pool threads" in message.hint) == ("lsml.E010", True)
    with pytest.raises(SystemExit, match=r"lsml\.E010"):
        refuse_wrong_worker(SimpleNamespace(pool_cls="solo"))


@pytest.fixture
def clock_is_ahead(monkeypatch):
    """Let PostgreSQL's clock be so many seconds behind."""

    def by(seconds):
        monkeypatch.setattr("lsml.environment.checks.clock_skew_s", lambda: seconds)

    by(0.0)
    return by


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (90.4, "This host's clock is 90 s ahead of PostgreSQL's."),
        (-7200.0, "This host's clock is 7200 s behind PostgreSQL's."),
    ],
)
def test_a_wrong_clock_is_reported(clock_is_ahead, seconds, text):
    clock_is_ahead(seconds)
    assert [m.msg for m in check_clock(databases=["default"])] == [text]
    assert check_clock(databases=None) == []  # not at each start of a process
    clock_is_ahead(4.0)
    assert check_clock(databases=["default"]) == []


@pytest.mark.usefixtures("clock_is_ahead")
def test_a_storage_that_cannot_be_written_is_reported(settings, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    settings.STORAGES = settings.STORAGES | {
        "artifacts": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "file" / "folder"},
        }
    }
    assert "lsml.E032" in found(Tags.database)
    assert found() == []  # not checked at each start of a process


@pytest.mark.usefixtures("clock_is_ahead")
def test_checking_the_storage_leaves_no_files_in_it(settings, tmp_path):
    settings.STORAGES = settings.STORAGES | {
        "artifacts": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path},
        }
    }
    assert "lsml.E032" not in found(Tags.database)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_model_that_cannot_be_imported_is_reported(settings):
    settings.MODEL_CLASS = "model.Mistyped"
    model_class.cache_clear()
    try:
        assert "lsml.E033" in found(MODEL_TAG)
    finally:
        model_class.cache_clear()


def test_without_a_database_no_check_imports_the_model_or_writes(settings, tmp_path):
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "artifacts"},
    }
    settings.STORAGES = settings.STORAGES | {"artifacts": storage}
    settings.MODEL_CLASS = "model.Mistyped"
    model_class.cache_clear()
    assert "lsml.E033" not in {message.id for message in run_checks()}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [("int", "ten", 7), ("float", "", 7.5), ("bool", "ture", True)],
)
def test_a_value_that_cannot_be_read_is_recorded_and_the_default_is_used(
    monkeypatch, kind, text, expected
):
    monkeypatch.setenv("SOME_SETTING", text)
    env = Environment()
    assert getattr(env, kind)("SOME_SETTING", default=expected) == expected
    assert list(env.unreadable) == ["SOME_SETTING"]


def test_an_unknown_word_is_recorded(monkeypatch):
    monkeypatch.setenv("LOG_FORMAT", "xml")
    env = Environment()
    assert env.one_of("LOG_FORMAT", ("json", "console"), default="json") == "json"
    assert env.unreadable == {"LOG_FORMAT": "one of json, console"}


def test_a_process_refuses_wrong_settings_with_their_hints(settings):
    settings.AUDIT_INPUTS = "ful"
    with pytest.raises(SystemExit, match=r"lsml\.E020.*\s.*digest"):
        refuse_wrong_settings()


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["manage.py", "check"], marks=pytest.mark.slow),
        pytest.param(["manage.py", "prepare"], marks=pytest.mark.slow),
        ["-c", "import config.wsgi"],
        pytest.param(
            ["-m", "celery", "-A", "config", "worker", "--pool", "threads"],
            marks=pytest.mark.slow,
        ),
        pytest.param(["-m", "celery", "-A", "config", "beat"], marks=pytest.mark.slow),
    ],
    ids=["check", "prepare", "web", "worker", "beat"],
)
def test_each_process_ends_with_all_errors_and_no_traceback(command):
    done = run_with(command, AUDIT_SEAL_S="often", ARTIFACT_STORAGE="gs://bucket")
    assert done.returncode != 0
    assert {"lsml.E001", "lsml.E003", "lsml.E030"} <= set(ID.findall(done.stderr))
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_worker_with_another_pool_does_not_start():
    command = ["-m", "celery", "-A", "config", "worker", "--pool", "solo"]
    done = run_with(command, SECRET_KEY="x" * 60)
    assert done.returncode != 0
    assert "lsml.E010" in done.stderr


@pytest.mark.parametrize(
    ("queues", "warnings"), [("default", 1), ("default,scheduled", 0)]
)
def test_a_worker_without_the_queue_of_beat_says_so(queues, warnings):
    app = Celery(set_as_current=False)
    app.amqp.queues.select(queues.split(","))
    with capture_logs() as logs:
        warn_of_missing_queue(SimpleNamespace(app=app))
    assert len(logs) == warnings


@pytest.mark.parametrize("command", ["conf", "dump_conf", "report"])
def test_whoever_reaches_the_broker_cannot_ask_a_worker_for_its_settings(
    monkeypatch, command
):
    monkeypatch.setattr(Panel, "data", Panel.data.copy())
    keep_settings_secret()
    worker = celery_app.control.mailbox.Node(
        "worker", state=SimpleNamespace(app=celery_app), handlers=Panel.data
    )
    assert worker.dispatch("ping") == {"ok": "pong"}
    assert set(worker.dispatch(command)) == {"error"}


def run_with(command, **environment):
    return subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENV_FILE": os.devnull,
            "PYTHONWARNINGS": "ignore",
            **environment,
        },
    )


def test_the_documentation_lists_each_id_once_and_no_other():
    code = (PROJECT / "lsml").rglob("*.py")
    given = {
        each
        for path in code
        for each in re.findall(r'id="(lsml\.[EW]\d{3})"', path.read_text())
    }
    text = (PROJECT / "docs/running.md").read_text()
    listed = re.findall(r"^\| `(lsml\.[EW]\d{3})` \|", text, re.MULTILINE)
    assert listed == sorted(given)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/services/T/B/x",
        "http://127.0.0.1:8065/hooks/x",
        "http://10.1.2.3/hooks/x",
        "http://mattermost:8065/hooks/x",
    ],
)
def test_a_webhook_by_https_or_in_the_own_network_is_accepted(settings, url):
    settings.ALERT_WEBHOOK_URL = url
    assert found() == []


def mail_server(url):
    env = Environment()
    env.ENVIRON = {"EMAIL_URL": url}
    return env.mail_server("EMAIL_URL"), env.unreadable


def test_a_mail_server_is_read_from_its_url():
    read, unreadable = mail_server("smtp+tls://ana:p%40ss@mail.example:587")
    assert unreadable == {}
    assert (read["EMAIL_HOST"], read["EMAIL_PORT"]) == ("mail.example", 587)
    assert (read["EMAIL_HOST_USER"], read["EMAIL_HOST_PASSWORD"]) == ("ana", "p@ss")
    assert read["EMAIL_USE_TLS"]


@pytest.mark.parametrize("url", ["mail.example:25", "smtps", "smtp://host:port"])
def test_a_mail_server_that_cannot_be_read_is_reported(url):
    assert mail_server(url) == ({}, {"EMAIL_URL": "smtp+tls://user:password@host:587"})
