"""What the service takes from a proxy, and what it tells one."""

import pytest

from lsml.observability.requests import address_of

pytestmark = pytest.mark.django_db
CLIENT = "203.0.113.7"


@pytest.fixture
def behind(rf, settings):
    """Return the client's address, as seen behind proxies."""

    def address(trusted, peer, forwarded):
        settings.TRUSTED_PROXIES = trusted
        request = rf.get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)
        return address_of(request)

    return address


@pytest.mark.parametrize(
    "trusted", [["10.1.0.2"], ["10.1.0.0/28"], ["::1", "10.1.0.2"]]
)
def test_a_trusted_proxy_reports_the_clients_address(behind, trusted):
    assert behind(trusted, "10.1.0.2", CLIENT) == CLIENT


def test_a_server_that_listens_on_ipv6_knows_a_proxy_with_ipv4(behind):
    assert behind(["10.1.0.0/28"], "::ffff:10.1.0.2", CLIENT) == CLIENT


def test_what_the_client_wrote_before_it_does_not_count(behind):
    assert behind(["10.1.0.0/28"], "10.1.0.2", f"1.2.3.4, {CLIENT}") == CLIENT


def test_a_client_of_the_proxys_network_cannot_name_another_address(behind):
    assert behind(["10.1.0.0/28"], "10.2.0.9", "1.2.3.4") == "10.2.0.9"


def test_the_address_passes_two_proxies(behind):
    trusted = ["10.1.0.0/28", "192.0.2.1"]
    forwarded = f"1.2.3.4, {CLIENT}, 192.0.2.1"
    assert behind(trusted, "10.1.0.2", forwarded) == CLIENT


@pytest.mark.parametrize("forwarded", ["", " , ", "10.1.0.2"])
def test_without_a_report_the_proxys_address_remains(behind, forwarded):
    assert behind(["10.1.0.2"], "10.1.0.2", forwarded) == "10.1.0.2"


@pytest.mark.parametrize(("peer", "kept"), [("10.1.0.2", True), ("10.9.9.9", False)])
def test_only_a_trusted_proxy_names_the_request(client, settings, peer, kept):
    settings.TRUSTED_PROXIES = ["10.1.0.0/28"]
    given = "0123456789abcdef"
    reply = client.get("/live", REMOTE_ADDR=peer, HTTP_X_REQUEST_ID=given)
    assert (reply["X-Request-ID"] == given) == kept


def test_probes_send_requests_elsewhere_while_the_drain_file_exists(
    client, settings, tmp_path
):
    file = tmp_path / "drain"
    settings.DRAIN_FILE = str(file)
    assert client.get("/live").content == b"alive\n"
    assert client.get("/ready").status_code == 200

    file.touch()
    # It still runs: whoever restarts what is not alive must leave it alone.
    live = client.get("/live")
    assert (live.status_code, live.content) == (200, b"draining\n")
    assert client.get("/ready").status_code == 503
    assert client.get("/health").status_code == 200
