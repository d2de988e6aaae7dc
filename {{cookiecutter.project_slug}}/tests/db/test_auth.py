"""Credentials: 401 says what to do, several pairs are valid, guessing is limited."""

import base64
from collections import Counter
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lsml.api import auth
from lsml.audit.models import AuditEntry
from tests.db.conftest import CONFIG, order

pytestmark = pytest.mark.django_db

ENDPOINTS = [
    ("get", ""),
    ("get", "health"),
    ("get", "versions"),
    ("get", "metrics"),
    *[
        ("post", name)
        for name in (
            "setup",
            "predict",
            "webhook",
            "train",
            "validate",
            "versions",
            "job_status",
            "duplicate_model",
            "delete",
        )
    ],
]


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def guarded(settings):
    settings.BASIC_AUTH_CREDENTIALS = [("ls", "s3cret"), ("next", "n3w")]
    settings.WEBHOOK_TOKENS = ["hook-token"]


@pytest.fixture
def clock(monkeypatch):
    """Let the time stand still at the 25th second of a minute."""
    clock = SimpleNamespace(now=1_800_000_025.0)
    monkeypatch.setattr(auth, "time", SimpleNamespace(time=lambda: clock.now))
    return clock


@pytest.mark.parametrize(("method", "name"), ENDPOINTS)
def test_every_endpoint_asks_for_credentials(api, guarded, method, name):
    reply = getattr(api, method)(f"/{name}", {}, format="json")
    assert reply.status_code == 401
    assert reply["WWW-Authenticate"].startswith("Basic")
    assert "BASIC_AUTH_USER" in reply.json()["detail"]


@pytest.mark.parametrize("name", ["live", "ready"])
def test_probes_are_open_and_silent(api, guarded, name):
    reply = api.get(f"/{name}")
    assert (reply.status_code, len(reply.content) < 10) == (200, True)


@pytest.mark.parametrize("name", ["live", "ready"])
def test_probes_answer_under_any_host_name(api, settings, name):
    settings.ALLOWED_HOSTS = ["ml.example.com"]
    assert api.get(f"/{name}", HTTP_HOST="10.1.2.3:9090").status_code == 200
    assert api.get("/health", HTTP_HOST="10.1.2.3:9090").status_code == 400


@pytest.mark.parametrize("pair", [("ls", "s3cret"), ("next", "n3w")])
def test_several_credentials_are_valid_at_once(api, guarded, constant, pair):
    assert api.get("/health", HTTP_AUTHORIZATION=basic(*pair)).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        basic("ls", "n3w"),  # one user's name with another's password
        basic("ls", ""),
        "Basic not-base64",
        "Basic \xff\xfe",
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Bearer s3cret",
    ],
)
def test_wrong_credentials_are_refused(api, guarded, header):
    assert api.get("/health", HTTP_AUTHORIZATION=header).status_code == 401


def test_a_webhook_may_carry_a_token_instead_of_a_password(api, guarded):
    reply = api.post(
        "/webhook", {"action": "X"}, format="json", HTTP_X_WEBHOOK_TOKEN="hook-token"
    )
    assert reply.status_code == 200


def wrong(number):
    """Wrong credentials, each time with another user name or token."""
    return [
        {"HTTP_AUTHORIZATION": basic("ls", f"guess {number}")},
        {"HTTP_AUTHORIZATION": basic(f"user {number}", "s3cret")},
        {"HTTP_AUTHORIZATION": f"Bearer {number}"},
        {"HTTP_X_WEBHOOK_TOKEN": f"token {number}"},
    ][number % 4]


def test_right_credentials_pass_however_many_wrong_ones_come_from_their_address(
    api, guarded, constant, clock
):
    refused, accepted = Counter(), Counter()
    for number in range(60):
        refused[api.get("/health", **wrong(number)).status_code] += 1
        for right in (
            {"HTTP_AUTHORIZATION": basic("ls", "s3cret")},
            {"HTTP_AUTHORIZATION": basic("next", "n3w")},
            {"HTTP_X_WEBHOOK_TOKEN": "hook-token"},
        ):
            accepted[api.get("/health", **right).status_code] += 1
    assert accepted == {200: 180}
    assert set(refused) == {401, 429}


def test_wrong_credentials_are_limited_by_address_across_names_and_tokens(
    api, guarded, settings, clock
):
    settings.WRONG_CREDENTIALS_PER_MINUTE = 8
    replies = [api.get("/health", **wrong(number)) for number in range(10)]
    assert [reply.status_code for reply in replies] == [401] * 8 + [429] * 2
    assert replies[-1].json()["code"] == "throttled"
    assert replies[-1]["Retry-After"] == "36"
    elsewhere = api.get("/health", **wrong(1), REMOTE_ADDR="192.0.2.7")
    assert elsewhere.status_code == 401
    clock.now += 35
    assert api.get("/health", **wrong(1)).status_code == 401


def test_credentials_beyond_the_limit_are_not_recorded(api, guarded, settings, clock):
    settings.WRONG_CREDENTIALS_PER_MINUTE = 2
    for _ in range(2):
        api.get("/health", HTTP_AUTHORIZATION=basic("nobody", "guess"))
    recorded = AuditEntry.objects.count()
    with CaptureQueriesContext(connection) as queries:
        reply = api.get("/health", HTTP_AUTHORIZATION=basic("ls", "guess"))
    assert (reply.status_code, len(queries)) == (429, 0)
    assert AuditEntry.objects.count() == recorded == 1


def test_right_credentials_do_not_ask_the_cache(api, guarded, constant, monkeypatch):
    api.get("/health", HTTP_AUTHORIZATION=basic("ls", "guess"))
    monkeypatch.setattr(auth, "cache", None)
    right = api.get("/health", HTTP_AUTHORIZATION=basic("ls", "s3cret"))
    assert right.status_code == 200


def test_a_webhook_without_credentials_does_not_lock_label_studio_out(
    api, guarded, constant, settings
):
    settings.WRONG_CREDENTIALS_PER_MINUTE = 3
    for _ in range(10):
        api.post("/webhook", {"action": "X"}, format="json")
    assert (
        api.get("/health", HTTP_AUTHORIZATION=basic("ls", "s3cret")).status_code == 200
    )


def test_without_configured_credentials_everybody_may_call(post, constant):
    assert post("/predict", order(1, label_config=CONFIG)).status_code == 200
