"""Each problem that can stop `connect` has its own message and next step."""

import pytest

from tests.labelstudio.conftest import CONFIG
from tests.labelstudio.studio import Studio, free_port

pytestmark = [pytest.mark.labelstudio, pytest.mark.timeout(600)]


@pytest.fixture
def refused(service):
    def connect(*options):
        return service.manage("connect", *options, ok=False)

    return connect


@pytest.fixture(scope="module")
def project(studio):
    return str(studio.new_project(CONFIG, ["a text"]))


def test_a_wrong_key(refused, project):
    said = refused("--project", project, "--api-key", "0" * 40)
    assert "does not know this API key" in said
    assert "Next step:" in said


def test_a_project_that_does_not_exist(refused):
    assert "nothing with this ID" in refused("--project", "99999")


def test_a_label_studio_that_does_not_answer(refused, project):
    said = refused("--project", project, "--url", f"http://127.0.0.1:{free_port()}")
    assert "does not answer" in said


def test_a_backend_label_studio_cannot_reach(refused, project, studio):
    address = f"http://127.0.0.1:{free_port()}"
    said = refused("--project", project, "--backend-url", address)
    assert "cannot reach the backend" in said
    assert studio.call("GET", "/api/ml", project=project) == []


def test_a_host_name_for_which_label_studio_creates_no_webhook(
    refused, project, studio
):
    said = refused("--project", project, "--backend-url", "http://ml-backend:9090")
    assert "makes no webhook" in said
    assert studio.call("GET", "/api/ml", project=project) == []


def test_a_label_config_the_service_cannot_serve(refused, studio):
    bare = studio.new_project("<View></View>", [])
    assert "no control tag" in refused("--project", str(bare))


def test_credentials_that_the_service_does_not_take(service, project, studio):
    service._environment["BASIC_AUTH_PASS"] = "wrong"
    try:
        said = service.manage("connect", "--project", project, ok=False)
    finally:
        del service._environment["BASIC_AUTH_PASS"]
    assert "refused the credentials" in said
    assert studio.call("GET", "/api/ml", project=project) == []


@pytest.fixture(scope="module")
def strict_studio(lane_folder):
    """A Label Studio that keeps its webhooks away from local addresses."""
    server = Studio(lane_folder / "strict", local_webhooks=False)
    server.start()
    yield server
    server.stop()


def test_blocked_local_addresses_and_legacy_tokens(refused, strict_studio):
    project = strict_studio.new_project(CONFIG, ["a text"])
    there = ("--url", strict_studio.url, "--project", str(project))
    said = refused(*there, "--api-key", strict_studio.token)
    assert "refuses private and loopback addresses" in said
    assert "SSRF_PROTECTION_ENABLED=false" in said
    assert strict_studio.call("GET", "/api/ml", project=project) == []

    tokens = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": False}
    strict_studio.call("POST", "/api/jwt/settings", body=tokens)
    said = refused(*there, "--api-key", strict_studio.token)
    assert "does not accept legacy tokens" in said
