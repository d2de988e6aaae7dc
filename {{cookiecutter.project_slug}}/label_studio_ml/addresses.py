"""Keeps tasks from making the backend fetch from its own network.

Anyone who can import tasks writes their URLs, so a URL may be an attempt to reach an
internal service (SSRF). The address is checked when the connection is made, which also
covers redirects and names that resolve to another address the second time.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.util import parse_url
from urllib3.util.connection import create_connection

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in its last four bytes

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ForbiddenAddress(ValueError):
    """A URL leads to the backend's own network.

    Not an OSError: urllib3 would treat it as a failed connection and try again.
    """

    def __init__(self, host: str, address: str) -> None:
        self.host, self.address = host, address
        shown = host if host == address else f"{host} ({address})"
        super().__init__(
            f"{shown} is not a public address, so tasks may not fetch from it. If "
            "models may read from it, add the host or its network to "
            "LSML_ALLOW_LOCAL_URLS."
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides which addresses may be connected to. Public ones always may.

    Attributes:
        everything: Whether every address is allowed.
        hosts: Allowed host names (lower case), whatever they resolve to.
        networks: Allowed networks that are not public.
        origins: Allowed (host, port) pairs: Label Studio itself.
    """

    everything: bool = False
    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    origins: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def from_environment(cls, *trusted_urls: str) -> Gate:
        """Create the gate that LSML_ALLOW_LOCAL_URLS describes.

        Its value is "true", "false" (default), or a comma-separated list of names,
        addresses and networks: "minio.internal, 10.20.0.0/16".

        Args:
            trusted_urls: URLs whose host is allowed at the URL's port.
        """
        text = os.environ.get("LSML_ALLOW_LOCAL_URLS", "").strip().lower()
        origins = frozenset(filter(None, map(origin_of, trusted_urls)))
        if text in {"true", "1", "yes", "on"}:
            return cls(everything=True)
        if text in {"", "false", "0", "no", "off"}:
            return cls(origins=origins)
        parts = [part.strip() for part in text.split(",") if part.strip()]
        networks = {part: network for part in parts if (network := _network(part))}
        hosts = frozenset(part for part in parts if part not in networks)
        return cls(hosts=hosts, networks=tuple(networks.values()), origins=origins)

    def addresses_of(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host that may be connected to.

        Raises:
            ForbiddenAddress: None of the host's addresses is allowed.
            socket.gaierror: The host name does not resolve.
        """
        host = host.strip("[]").rstrip(".").lower()
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if self.everything or host in self.hosts or (host, port) in self.origins:
            return addresses
        allowed = [address for address in addresses if self._is_allowed(address)]
        if not allowed:
            raise ForbiddenAddress(host, addresses[0])
        return allowed

    def _is_allowed(self, text: str) -> bool:
        address = ipaddress.ip_address(text.partition("%")[0])  # without the interface
        if any(address in network for network in self.networks):
            return True
        return all(_is_public(each) for each in [address, *_embedded_ipv4(address)])


class GuardedAdapter(HTTPAdapter):
    """Connects only to addresses that the gate allows."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _guarded_pool(HTTPConnectionPool, HTTPConnection, self.gate),
            "https": _guarded_pool(HTTPSConnectionPool, HTTPSConnection, self.gate),
        }

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send a request, or a redirect of it.

        A proxy makes the connection itself, so only the host name can be checked here.
        """
        url = request.url or ""
        origin = origin_of(url)
        if origin and select_proxy(url, kwargs.get("proxies")):
            with suppress(socket.gaierror):  # a name that only the proxy can resolve
                self.gate.addresses_of(*origin)
        return super().send(request, *args, **kwargs)


class GuardedSession(requests.Session):
    """Takes credentials along on a redirect only from one of `files` to another.

    Attributes:
        files: Returns whether a URL, as it is sent, is a file that needs credentials.
    """

    def __init__(self, files: Callable[[str], bool]) -> None:
        super().__init__()
        self.files = files

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Drop the credentials of a redirect, or send them to the URL that was checked.

        None are added from ~/.netrc. Cookies are dropped: they ignore the port.
        """
        before, after = response.request.url or "", prepared_request.url or ""
        sent = as_sent(after) if origin_of(after) else after
        if self.files(before) and self.files(sent):
            prepared_request.url = sent
        else:
            prepared_request.headers.pop("Authorization", None)
        prepared_request.headers.pop("Cookie", None)


def guarded_session(
    gate: Gate, *, files: Callable[[str], bool] = lambda _: False
) -> requests.Session:
    """Return a session that checks every connection with the gate."""
    session = GuardedSession(files)
    session.max_redirects = 5
    for scheme in ("http://", "https://"):
        session.mount(scheme, GuardedAdapter(gate))
    return session


def as_sent(url: str) -> str:
    """Return an http(s) URL in the form in which requests sends it.

    Scheme and host are in lower case and ASCII; the default port and the fragment are
    left out; dots in the path are resolved, also encoded ones, but `%252e` is not.

    Raises:
        requests.exceptions.InvalidURL: It has no host, or one that cannot exist.
    """
    prepared = requests.PreparedRequest()
    before = ""
    while url != before:  # what one round decodes, the next one may change again
        before = url
        prepared.prepare_url(url, {})
        parts = parse_url(prepared.url or "")._replace(fragment=None)
        if parts.port == _DEFAULT_PORTS.get(parts.scheme or ""):
            parts = parts._replace(port=None)
        url = parts.url
    return url


def origin_of(url: str) -> tuple[str, int] | None:
    """Return (host, port) of an http(s) URL, None for any other URL."""
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in _DEFAULT_PORTS:
        return None
    return parts.hostname.rstrip("."), parts.port or _DEFAULT_PORTS[parts.scheme]


def same_origin(first: str, second: str) -> bool:
    """Return whether two http(s) URLs have the same scheme, host and port."""
    origin = origin_of(first)
    schemes = {urlsplit(url).scheme for url in (first, second)}
    return origin is not None and origin == origin_of(second) and len(schemes) == 1


class _Guarded:
    """Mixed into urllib3's connections: connects to the address that was checked.

    Resolving the name a second time could give another address (DNS rebinding).
    """

    gate: ClassVar[Gate]

    def _new_conn(self: Any) -> socket.socket:
        host: str = self._dns_host
        try:
            addresses = self.gate.addresses_of(host, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(host, self, error) from error
        problem: OSError | None = None
        for address in addresses:
            try:
                return create_connection(
                    (address, self.port),
                    self.timeout,
                    source_address=self.source_address,
                    socket_options=self.socket_options,
                )
            except OSError as error:
                problem = error
        if isinstance(problem, TimeoutError):
            raise ConnectTimeoutError(self, f"{host} did not answer") from problem
        raise NewConnectionError(self, f"Cannot connect to {host}: {problem}")


def _guarded_pool(pool_class: type, connection_class: type, gate: Gate) -> type:
    connection = type("GuardedConnection", (_Guarded, connection_class), {"gate": gate})
    return type("GuardedPool", (pool_class,), {"ConnectionCls": connection})


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast


def _embedded_ipv4(address: Address) -> list[Address]:
    """Return the IPv4 addresses that an IPv6 address contains."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    teredo = address.teredo[1] if address.teredo else None
    nat64 = ipaddress.IPv4Address(address.packed[-4:]) if address in _NAT64 else None
    embedded = [address.ipv4_mapped, address.sixtofour, teredo, nat64]
    return [each for each in embedded if each is not None]


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
