"""Tasks may fetch from public addresses only."""

import ipaddress
import socket

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml.addresses import (
    ForbiddenAddress,
    Gate,
    guarded_session,
    origin_of,
)

PUBLIC = "93.184.215.14"
INTERNAL = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # cloud metadata
    "100.64.0.1",
    "224.0.0.1",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",  # cloud metadata
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
]


@pytest.fixture
def names(monkeypatch):
    """A fake name server: name to addresses. Each lookup returns the next address."""
    known = {}
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        if host not in known:
            return real(host, port, *args, **kwargs)
        answers = known[host]
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return real(address, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.mark.parametrize("address", INTERNAL)
def test_an_address_of_the_backends_own_network_is_refused(address):
    with pytest.raises(ForbiddenAddress, match="LSML_ALLOW_LOCAL_URLS"):
        Gate().addresses_of(address, 80)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_every_allowed_address_is_public(address):
    try:
        Gate().addresses_of(str(address), 80)
    except ForbiddenAddress:
        return
    assert address.is_global


@given(st.ip_addresses(v=4))
def test_an_ipv4_mapped_address_is_checked_as_the_ipv4_address(address):
    def verdict(text):
        try:
            return bool(Gate().addresses_of(text, 80))
        except ForbiddenAddress:
            return False

    mapped = ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
    assert verdict(f"::ffff:{address}") == verdict(str(mapped))
    assert not verdict(str(mapped)) or verdict(str(address))


def test_a_public_address_may_be_fetched():
    assert Gate().addresses_of(PUBLIC, 443) == [PUBLIC]


@pytest.mark.parametrize("written", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1"])
def test_unusual_spellings_of_loopback_are_refused(written):
    with pytest.raises((ForbiddenAddress, socket.gaierror)):
        Gate().addresses_of(written, 80)


@pytest.mark.parametrize(
    ("setting", "address", "allowed"),
    [
        ("true", "127.0.0.1", True),
        ("false", "127.0.0.1", False),
        ("10.20.0.0/16", "10.20.3.4", True),
        ("10.20.0.0/16", "10.21.3.4", False),
        ("fd00::/8, 10.0.0.5", "10.0.0.5", True),
        ("localhost", "localhost", True),
        ("LocalHost, minio", "localhost", True),
        ("minio.internal", "127.0.0.1", False),
    ],
)
def test_the_setting_allows_what_it_names(monkeypatch, setting, address, allowed):
    monkeypatch.setenv("LSML_ALLOW_LOCAL_URLS", setting)
    gate = Gate.from_environment()
    if allowed:
        assert gate.addresses_of(address, 80)
    else:
        with pytest.raises(ForbiddenAddress):
            gate.addresses_of(address, 80)


def test_label_studio_itself_may_be_fetched_at_its_port_only():
    gate = Gate.from_environment("http://127.0.0.1:8080")
    assert gate.addresses_of("127.0.0.1", 8080)
    with pytest.raises(ForbiddenAddress):
        gate.addresses_of("127.0.0.1", 8081)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://Host/x", ("host", 80)),
        ("https://host.", ("host", 443)),
        ("http://[::1]:8080/", ("::1", 8080)),
        ("ftp://host/x", None),
        ("/data/upload/1.jpg", None),
        ("", None),
    ],
)
def test_the_origin_of_a_url_is_its_host_and_port(url, origin):
    assert origin_of(url) == origin


def test_no_connection_to_a_forbidden_address_is_made(server):
    with pytest.raises(ForbiddenAddress):
        guarded_session(Gate()).get(f"{server.url}/secret", timeout=5)
    assert server.requests == []


def test_a_redirect_to_the_backends_network_is_refused(server, monkeypatch):
    inside = {"Location": f"http://localhost:{server.port}/secret"}
    server.answers["/open"] = (302, inside, b"")
    gate = Gate.from_environment(server.url)
    with pytest.raises(ForbiddenAddress):
        guarded_session(gate).get(f"{server.url}/open", timeout=5)
    assert server.paths == ["/open"]


def test_a_name_that_resolves_to_another_address_later_is_checked_again(server, names):
    names["rebind.example"] = [PUBLIC, "127.0.0.1"]
    gate = Gate()
    assert gate.addresses_of("rebind.example", server.port) == [PUBLIC]
    url = f"http://rebind.example:{server.port}/"
    with pytest.raises(ForbiddenAddress):
        guarded_session(gate).get(url, timeout=5)
    assert server.requests == []


def test_a_request_by_host_name_has_that_name_in_its_host_header(
    server, names, monkeypatch
):
    monkeypatch.setenv("LSML_ALLOW_LOCAL_URLS", "files.example")
    names["files.example"] = ["127.0.0.1"]
    server.answers["/a"] = b"body"
    session = guarded_session(Gate.from_environment())
    url = f"http://files.example:{server.port}/a"
    assert session.get(url, timeout=5).content == b"body"
    assert server.requests[0][1]["Host"] == f"files.example:{server.port}"


def test_names_are_checked_even_if_a_proxy_makes_the_connection(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(ForbiddenAddress):
        guarded_session(Gate()).get("http://169.254.169.254/latest", timeout=5)
    assert server.requests == []


def test_a_host_that_does_not_exist_is_a_connection_error(names, monkeypatch):
    def nowhere(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(requests.ConnectionError):
        guarded_session(Gate()).get("http://nowhere.example/", timeout=5)


def test_a_closed_port_is_a_connection_error(server):
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    gate = Gate.from_environment(f"http://127.0.0.1:{port}")
    with pytest.raises(requests.ConnectionError):
        guarded_session(gate).get(f"http://127.0.0.1:{port}/", timeout=5)
