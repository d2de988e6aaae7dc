"""Checks of the settings that name where alarms are sent."""

import ipaddress
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution

from lsml.environment.checking import TAG


@register(TAG)
def check_alarms(**_: Any) -> Iterator[CheckMessage]:
    """Report addresses that alarms cannot be sent to, without naming them."""
    url = settings.ALERT_WEBHOOK_URL
    if url and not _is_webhook(url):
        yield Error(
            "ALERT_WEBHOOK_URL is not the address of a webhook.",
            hint="Write https://host/path, as the chat shows it.",
            id="lsml.E060",
        )
    elif url and not (url.startswith("https://") or _is_private(url)):
        yield Caution(
            "ALERT_WEBHOOK_URL is sent in the clear: its scheme is http.",
            hint="Use https, unless the server is in your own network.",
            id="lsml.W060",
        )
    if settings.ALERT_EMAIL_TO and not settings.EMAIL_URL:
        yield Error(
            "ALERT_EMAIL_TO is set, but no mail server.",
            hint="Set EMAIL_URL to smtp+tls://user:password@host:587.",
            id="lsml.E061",
        )


def _is_webhook(url: str) -> bool:
    if not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port  # a wrong one raises an error
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _is_private(url: str) -> bool:
    """Whether the host is an address of an own network, or a name without a dot."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host
