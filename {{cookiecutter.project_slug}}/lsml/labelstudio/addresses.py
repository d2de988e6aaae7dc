"""Checks whether Label Studio can use an address of a backend."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from lsml.labelstudio.failures import LabelStudioError


def check_address(url: str) -> None:
    """Refuse an address for which Label Studio would silently create no webhook.

    Raises:
        LabelStudioError: the address cannot be used; the message says why.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host:
        raise LabelStudioError(
            f"{url!r} is not the address of a backend.",
            "Use the form http://host:port, as Label Studio reaches this service.",
        )
    if parts.username or parts.password:
        raise LabelStudioError(
            "The backend's address must not contain credentials: everyone who sees "
            "the connection in Label Studio could read them.",
            "Remove them; BASIC_AUTH_USER and BASIC_AUTH_PASS are stored for you.",
        )
    if host == "localhost" or is_ip_address(host):
        return
    if "." not in host or "_" in host:
        raise LabelStudioError(
            f"Label Studio makes no webhook for the host name {host!r}: it must have "
            "a dot and no underscore. Annotations would never arrive.",
            f"Give the service a name such as {host.replace('_', '-')}.internal (in "
            "compose: a network alias), or use its IP address.",
        )


def is_ip_address(text: str) -> bool:
    """Return whether the text is a single IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
