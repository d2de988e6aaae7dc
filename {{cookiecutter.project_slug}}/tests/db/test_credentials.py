"""Basic auth, as different clients encode it."""

import base64

import pytest

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_non_ascii_password_is_accepted_in_both_encodings(api, settings, encoding):
    settings.BASIC_AUTH_CREDENTIALS = [("me", "geh:äim")]
    pair = base64.b64encode("me:geh:äim".encode(encoding)).decode()
    assert api.get("/versions", HTTP_AUTHORIZATION=f"Basic {pair}").status_code == 200


@pytest.mark.parametrize("header", ["Basic", "Basic ???", "Bearer x", "Basic bWU6eA=="])
def test_anything_else_is_refused(api, settings, header):
    settings.BASIC_AUTH_CREDENTIALS = [("me", "geheim")]
    assert api.get("/versions", HTTP_AUTHORIZATION=header).status_code == 401
