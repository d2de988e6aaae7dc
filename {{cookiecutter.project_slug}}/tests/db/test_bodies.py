"""Unusable bodies are refused with a sentence before any other code runs."""

import pytest

from lsml.audit.models import WebhookEvent
from lsml.labelstudio.reading import ELEMENTS_MAX

pytestmark = pytest.mark.django_db
ENDPOINTS = ["setup", "predict", "webhook", "train", "validate", "versions", "delete"]
NESTED = b'{"a":' * 300 + b"1" + b"}" * 300


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("body", "why"),
    [(b"{", "not JSON"), (b"\xff", "not JSON"), (NESTED, "nested too deeply")],
    ids=["cut off", "binary", "nested"],
)
def test_an_unusable_body_is_refused_with_a_sentence(api, endpoint, body, why):
    reply = api.post(f"/{endpoint}", body, content_type="application/json")
    assert reply.status_code == 400
    assert reply.json()["field"] == "body"
    assert why in reply.json()["detail"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_body_with_too_many_values_is_refused_with_a_sentence(api, endpoint):
    body = b"[" + b"{}," * ELEMENTS_MAX + b"{}]"
    reply = api.post(f"/{endpoint}", body, content_type="application/json")
    assert reply.status_code == 413
    assert reply.json()["code"] == "too_large"
    assert "Send fewer tasks at a time" in reply.json()["detail"]


def test_a_webhook_with_a_nul_character_is_kept(api):
    body = (
        rb'{"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "x": "a\u0000b"}}'
    )
    reply = api.post("/webhook", body, content_type="application/json")
    assert reply.status_code == 200
    assert WebhookEvent.objects.get().payload["annotation"]["x"] == "a\ufffdb"


@pytest.mark.parametrize("path", ["/webhook", "/api/v1/tokens"])
def test_a_body_without_a_length_is_refused_not_taken_for_empty(api, path):
    reply = api.post(
        path,
        {"action": "START_TRAINING"},
        format="json",
        HTTP_TRANSFER_ENCODING="chunked",
    )
    assert (reply.status_code, reply.json()["code"]) == (411, "length_required")


@pytest.mark.parametrize("path", ["/live", "/ready"])
def test_a_probe_refuses_other_methods_as_all_endpoints_do(api, path):
    reply = api.post(path)
    assert (reply.status_code, reply.headers["Allow"]) == (405, "GET, HEAD")
    assert set(reply.json()) == {"detail", "code", "field", "request_id"}
