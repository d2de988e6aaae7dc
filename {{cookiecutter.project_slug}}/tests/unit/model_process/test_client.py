"""The token of the model process is sent to MODEL_URL only."""

import pytest

from lsml.model_process.client import call, token
from lsml.model_process.errors import ModelProcessUnavailable
from tests.http_stub import http_stub


def test_a_redirect_of_the_model_process_is_not_followed(settings):
    with http_stub() as model, http_stub() as elsewhere:
        settings.MODEL_URL = model.url
        model.answers["/predict"] = (307, {"Location": f"{elsewhere.url}/predict"}, b"")
        with pytest.raises(ModelProcessUnavailable, match="status 307") as refusal:
            call("POST", "/predict", {}, timeout_s=5)
        assert model.requests[0][1]["Authorization"] == f"Bearer {token()}"
        assert elsewhere.requests == []
        assert token() not in str(refusal.value)


def test_a_proxy_gets_no_request_for_the_model_process(settings, monkeypatch):
    with http_stub() as model, http_stub() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        settings.MODEL_URL = model.url
        model.answers["/status"] = b"{}"
        assert call("GET", "/status", timeout_s=5) == {}
        assert proxy.requests == []
