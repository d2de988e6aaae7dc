"""Credentials: 401 says what to do, several pairs are valid, guessing is limited."""

import base64

import pytest

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


def test_a_client_that_guesses_is_blocked_for_a_while_and_others_are_not(
    api, guarded, constant, settings
):
    settings.WRONG_CREDENTIALS_PER_MINUTE = 3
    for _ in range(3):
        api.get("/health", HTTP_AUTHORIZATION=basic("ls", "guess"))
    reply = api.get("/health", HTTP_AUTHORIZATION=basic("ls", "s3cret"))
    assert (reply.status_code, reply.json()["code"]) == (429, "throttled")
    assert int(reply["Retry-After"]) > 0
    other = api.get("/health", HTTP_AUTHORIZATION=basic("next", "n3w"))
    assert other.status_code == 200


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
