"""Extras: nothing of them is imported or needed unless they are on."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from django.http import HttpResponse

from lsml.api.checks import check_observability
from lsml.api.tracing import TracingMiddleware
from lsml.observability import sentry, tracing
from tests.receiver import receiver

IMPORTED = """
import config.wsgi, sys
print([name for name in sys.modules if name.startswith(
    ("lsml.observability.spans", "opentelemetry.exporter", "sentry_sdk"))])
"""


@pytest.fixture
def endpoint(settings):
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318"
    for cached in (tracing.is_on, tracing.why_off):
        cached.cache_clear()
    yield
    for cached in (tracing.is_on, tracing.why_off):
        cached.cache_clear()


@pytest.mark.slow
def test_a_web_process_imports_neither():
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORTED],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_without_the_library_an_endpoint_is_reported_and_changes_nothing(
    endpoint, monkeypatch
):
    monkeypatch.setitem(sys.modules, tracing._LIBRARY, None)
    with tracing.work("a job", cause=pytest.fail), tracing.step("a part"):
        tracing.link(pytest.fail)
        assert tracing.traceparent() == ""
    (warning,) = check_observability()
    assert "requirements/tracing.txt" in warning.msg


@pytest.mark.skipif(find_spec("opentelemetry.sdk") is None, reason="it is an extra")
def test_a_setting_that_the_library_refuses_stops_no_request(
    endpoint, monkeypatch, rf, caplog
):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "0")
    middleware = TracingMiddleware(lambda request: HttpResponse("answer"))
    tracing._made.cache_clear()
    try:
        assert middleware(rf.post("/predict")).content == b"answer"
        with tracing.work("a job", cause=pytest.fail), tracing.step("a part"):
            tracing.link(pytest.fail)
        assert tracing.traceparent() == ""
    finally:
        tracing._made.cache_clear()
    assert "OpenTelemetry does not start" in caplog.text


@pytest.mark.skipif(find_spec("sentry_sdk") is None, reason="it is an extra")
def test_what_the_library_of_sentry_logs_is_not_sent_to_it(monkeypatch):
    sent = []
    monkeypatch.setattr("sentry_sdk.capture_message", lambda *_, **__: sent.append(1))
    sentry.report({"logger": "sentry_sdk.errors", "event": "it is away"})
    assert sent == []


def test_without_the_library_a_dsn_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    why = sentry.start("https://key@sentry.example.com/1", mask=str)
    assert "requirements/sentry.txt" in why


@pytest.mark.skipif(find_spec("sentry_sdk") is None, reason="it is an extra")
def test_a_dsn_that_cannot_be_read_is_reported():
    assert "cannot be read" in sentry.start("sentry.example.com", mask=str)


ERRORS = """
import django, logging, structlog, sys, threading
django.setup()
log = structlog.get_logger("lsml.room")
with structlog.contextvars.bound_contextvars(request_id="0123456789"):
    try:
        raise ValueError("cannot read Ada")
    except ValueError:
        log.exception("it failed", who="Ada")
    logging.getLogger("library").error("cannot read Ada")
    log.error("it is full")
    log.warning("it is nearly full")
def fail(name):
    raise LookupError(name)
thread = threading.Thread(target=fail, args=["Ada"])
thread.start()
thread.join()
fail("Ada")
"""


@pytest.fixture(scope="module")
def sent():
    """Run a program that logs errors and does not handle others; return the events."""
    pytest.importorskip("sentry_sdk")
    with receiver() as receiving:
        environment = {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "not-to-be-sent-" + "x" * 50,
            "SENTRY_DSN": receiving.dsn,
        }
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", ERRORS],
            env=os.environ | environment,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert "LookupError: Ada" in done.stderr
        yield receiving


def test_errors_that_are_logged_or_not_handled_are_sent_and_nothing_else(sent):
    described = [
        (
            event["tags"].get("logged") if "tags" in event else None,
            event.get("message"),
            [each["type"] for each in event.get("exception", {}).get("values", [])],
        )
        for event in sent.events()
    ]
    assert described == [
        ("it failed", None, ["ValueError"]),
        (None, "error logged by library", []),
        (None, "it is full", []),
        (None, None, ["LookupError"]),
        (None, None, ["LookupError"]),
    ]
    assert {e["tags"]["request_id"] for e in sent.events()[:3]} == {"0123456789"}


@pytest.mark.slow
def test_what_is_sent_has_no_text_of_an_exception_no_variables_and_no_settings(sent):
    whole = b"".join(sent.bodies)
    assert b"Ada" not in whole
    assert b"not-to-be-sent" not in whole
