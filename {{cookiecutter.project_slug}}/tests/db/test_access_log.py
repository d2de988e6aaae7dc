"""One line per request in the access log."""

import json
import logging

import pytest
from rest_framework.test import APIClient

from lsml.api import monitoring
from tests.db.conftest import order

pytestmark = pytest.mark.django_db

SECRET = "hunter2hunter2hunter2"


@pytest.fixture
def lines(settings, capfd):
    """Log as in production; return the lines of the access log so far."""
    settings.LOG_FORMAT = "json"

    def read():
        written = capfd.readouterr().err.splitlines()
        return [json.loads(line) for line in written if line.startswith("{")]

    return read


@pytest.fixture
def api(lines):
    return APIClient(raise_request_exception=False)


def test_a_prediction_is_one_line_with_project_and_version(post, constant, lines):
    reply = post("/predict?token=1", order(2))
    [line] = lines()
    assert line.pop("ms") > 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "lsml.access",
        "request_id": reply["X-Request-ID"],
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "project": "1.1795433940",
        "version": reply.json()["results"][0]["model_version"],
    }


def test_a_request_that_fails_names_its_project(post, scripted, lines):
    def fail(_model, _tasks):
        raise ValueError("empty text")

    scripted.answer = fail
    assert post("/predict", order(1)).status_code == 500
    [line] = [each for each in lines() if each["event"] == "request"]
    assert (line["status"], line["project"]) == (500, "1.1795433940")
    assert "version" not in line


def test_a_webhook_names_its_project(post, lines):
    post("/webhook", {"action": "TASKS_CREATED", "project": {"id": 7}})
    [line] = lines()
    assert (line["path"], line["status"], line["project"]) == ("/webhook", 200, "7")


def test_secrets_in_a_path_are_masked_and_the_query_is_left_out(api, lines):
    api.get(f"/no/such://ana:{SECRET}@example.com/?api_key={SECRET}")
    [line] = lines()
    assert line["status"] == 404
    assert SECRET not in json.dumps(line)
    assert line["path"].startswith("/no/such://***@")


@pytest.mark.parametrize(
    "path", ["/", "/health", "/live", "/ready", "/metrics", "/static/no/such.css"]
)
def test_what_is_asked_for_all_the_time_is_logged_only_if_it_fails(
    api, lines, settings, path
):
    if not path.startswith("/static"):
        assert api.get(path).status_code == 200
        assert lines() == []
    assert api.delete(path).status_code >= 400
    assert [line["path"] for line in lines()] == [path]


def test_with_another_log_level_there_is_no_line(post, lines):
    logger = logging.getLogger("lsml.access")
    logger.setLevel("WARNING")
    try:
        post("/webhook", {"action": "TASKS_CREATED"})
    finally:
        logger.setLevel(logging.NOTSET)
    assert lines() == []


def test_a_line_that_cannot_be_written_fails_no_request(post, monkeypatch):
    class FullDisk:
        def info(self, *_, **__):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(monitoring, "access_logger", lambda _fmt: FullDisk())
    assert post("/webhook", {"action": "TASKS_CREATED"}).status_code == 200
