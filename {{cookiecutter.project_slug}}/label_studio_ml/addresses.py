"""Which addresses a task may make the backend fetch: none on its own network.

Task data is written by whoever can import tasks, so a URL in it is a request forged by
a stranger. The address is checked where the connection is made, which also covers
redirects and names that resolve to something else the second time.
"""

from __future__ import annotations

import ipaddress
import os
import socket
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
from urllib3.util.connection import create_connection

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in its last four bytes

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ForbiddenAddress(ValueError):
    """A URL leads to the backend's own network.

    No OSError, which urllib3 would take for a failed connection and try again.
    """

    def __init__(self, host: str, address: str) -> None:
        self.host, self.address = host, address
        shown = host if host == address else f"{host} ({address})"
        super().__init__(
            f"{shown} is no public address, so it is not fetched for a task. Add the "
            "host or its network to LSML_ALLOW_LOCAL_URLS if models may read from it."
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides which addresses may be connected to.

    Attributes:
        everything: Whether all addresses may.
        hosts: Host names (lower case) that may, whatever they resolve to.
        networks: Networks that may although they are not public.
        origins: (host, port) pairs that may: Label Studio itself.
    """

    everything: bool = False
    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    origins: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def from_environment(cls, *trusted_urls: str) -> Gate:
        """Make the gate that LSML_ALLOW_LOCAL_URLS asks for.

        It is "true", "false" (default), or names, addresses and networks separated by
        commas: "minio.internal, 10.20.0.0/16".

        Args:
            trusted_urls: Their hosts are allowed at their ports.
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
            ForbiddenAddress: It has addresses, but none that may.
            socket.gaierror: It has none.
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
        address = ipaddress.ip_address(text.partition("%")[0])  # without an interface
        if any(address in network for network in self.networks):
            return True
        return all(_is_public(each) for each in [address, *_carried_by(address)])


class GuardedAdapter(HTTPAdapter):
    """Lets requests connect only where the gate allows it."""

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
        """Send a request, or one of its redirects; through a proxy, too.

        A proxy makes the connection itself, so here only the name can be checked.
        """
        url = request.url or ""
        origin = origin_of(url)
        if origin and select_proxy(url, kwargs.get("proxies")):
            with suppress(socket.gaierror):  # a name only the proxy knows: it decides
                self.gate.addresses_of(*origin)
        return super().send(request, *args, **kwargs)


class GuardedSession(requests.Session):
    """Sends credentials to the origin they were given for, and to no other."""

    def should_strip_auth(self, old_url: str, new_url: str) -> bool:
        """Tell whether a redirect loses the credentials: also from http to https."""
        return not same_origin(old_url, new_url)


def guarded_session(gate: Gate) -> requests.Session:
    """Return a session whose every connection passes the gate."""
    session = GuardedSession()
    session.max_redirects = 5
    for scheme in ("http://", "https://"):
        session.mount(scheme, GuardedAdapter(gate))
    return session


def origin_of(url: str) -> tuple[str, int] | None:
    """Return (host, port) of an http(s) URL, None if it is none."""
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in _DEFAULT_PORTS:
        return None
    return parts.hostname.rstrip("."), parts.port or _DEFAULT_PORTS[parts.scheme]


def same_origin(first: str, second: str) -> bool:
    """Tell whether two http(s) URLs have the same scheme, host and port."""
    origin = origin_of(first)
    schemes = {urlsplit(url).scheme for url in (first, second)}
    return origin is not None and origin == origin_of(second) and len(schemes) == 1


class _Guarded:
    """Mixed into urllib3's connections: connects to the very address it checked."""

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


def _carried_by(address: Address) -> list[Address]:
    """Return the IPv4 addresses an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    teredo = address.teredo[1] if address.teredo else None
    nat64 = ipaddress.IPv4Address(address.packed[-4:]) if address in _NAT64 else None
    carried = [address.ipv4_mapped, address.sixtofour, teredo, nat64]
    return [each for each in carried if each is not None]


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
