"""System checks of credentials, rates, proxies, and what is sent to other systems."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution
from rest_framework.throttling import SimpleRateThrottle

from lsml.environment.checking import TAG, too_small
from lsml.observability import tracing

_RATES = {"user": "API_RATE", "anon": "API_RATE_ANONYMOUS", "login": "API_RATE_LOGIN"}


@register(TAG)
def check_callers(**_: Any) -> Iterator[CheckMessage]:
    """Report credentials that are missing or incomplete."""
    half = bool(settings.BASIC_AUTH_USER) != bool(settings.BASIC_AUTH_PASS)
    if half or not all(all(pair) for pair in settings.BASIC_AUTH_CREDENTIALS):
        yield Error(
            "A user name or a password of basic auth is missing.",
            hint="Set both BASIC_AUTH_USER and BASIC_AUTH_PASS, or neither. Write each"
            " pair of BASIC_AUTH_EXTRA as user:password.",
            id="lsml.E040",
        )
    # Development machines set HTTPS=false. These processes answer no callers, so in
    # compose.yaml they do not get the credentials.
    is_called = settings.PROCESS not in {"worker", "model", "beat"}
    is_open = not (settings.BASIC_AUTH_CREDENTIALS or settings.WEBHOOK_TOKENS)
    if settings.HTTPS and is_called and is_open:
        yield Caution(
            "The service requires no credentials, so everyone may call it.",
            hint="Set BASIC_AUTH_USER and BASIC_AUTH_PASS, here and in Label Studio.",
            id="lsml.W040",
        )


@register(TAG)
def check_traffic(**_: Any) -> Iterator[CheckMessage]:
    """Report rates, proxies and limits that cannot be used."""
    rates: Any = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    for name, variable in _RATES.items():
        if not _is_rate(rates[name]):
            yield Error(
                f"{variable} is not a rate.",
                hint="Write a number and a unit: 600/min, 10/s, 5000/hour, 9000/day.",
                id="lsml.E041",
            )
    for proxy in settings.TRUSTED_PROXIES:
        if not _is_network(proxy):
            yield Error(
                f"TRUSTED_PROXIES has {proxy!r}: not an IP address or network.",
                hint="Give addresses or networks, such as 10.0.0.5 or 10.0.0.0/28.",
                id="lsml.E042",
            )
    yield from too_small(
        {
            "MAX_REQUEST_MB": (settings.MAX_REQUEST_MB, 1),
            "WRONG_CREDENTIALS_PER_MINUTE": (settings.WRONG_CREDENTIALS_PER_MINUTE, 1),
        }
    )


@register(TAG)
def check_observability(**_: Any) -> list[CheckMessage]:
    """Report traces or errors that are not sent although an address is set."""
    return [
        Caution(reason, hint="Or remove the variable.", id="lsml.W041")
        for reason in (tracing.why_off(), settings.SENTRY_OFF_BECAUSE)
        if reason
    ]


class _Rate(SimpleRateThrottle):
    """Parses a rate. It is not used to limit requests."""

    rate = "1/s"

    def get_cache_key(self, request: Any, view: Any) -> None:
        """Return no key, so that no request is counted."""


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_rate(text: str) -> bool:
    try:
        number, _ = _Rate().parse_rate(text)
    except (ValueError, KeyError, IndexError):
        return False
    return number is not None and number > 0
