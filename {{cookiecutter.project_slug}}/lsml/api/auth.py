"""Authenticates callers of Label Studio's endpoints: basic auth or a webhook token."""

import base64
import hmac
import time
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.observability import metrics
from lsml.observability.origin import Origin
from lsml.observability.requests import address_of

_MINUTE_S: Final = 60
_CHALLENGE: Final = 'Basic realm="ML backend"'
_REFUSED: Final = (
    "Wrong or missing credentials. Give Label Studio the BASIC_AUTH_USER and"
    " BASIC_AUTH_PASS of this service. Label Studio's webhook sends no credentials"
    " until `manage.py connect` adds them."
)
_TOO_MANY: Final = (
    "Too many wrong credentials from this address; the right ones are still accepted."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated program. Its `name` appears in audit rows."""

    name: str
    is_authenticated: bool = True

    def get_username(self) -> str:
        """Return the name, as Django's users do."""
        return self.name


class LabelStudioAuthentication(BaseAuthentication):
    """Accepts basic auth with any configured credentials, or a token for webhooks.

    Several credentials are valid at once (BASIC_AUTH_USER/PASS and BASIC_AUTH_EXTRA),
    so that one can be replaced without an outage. If none are configured, everyone may
    call, as with the reference SDK.
    """

    def authenticate(self, request: HttpRequest) -> tuple[Caller, None]:
        known = settings.BASIC_AUTH_CREDENTIALS
        tokens = settings.WEBHOOK_TOKENS
        if not known and not tokens:
            return Caller("anonymous"), None
        token = request.META.get("HTTP_X_WEBHOOK_TOKEN", "")
        if token and sum(_same(token, valid) for valid in tokens):
            return Caller("webhook token"), None
        header = request.META.get("HTTP_AUTHORIZATION", "")
        user, password = _basic(header)
        # Every pair is compared in constant time, so the delay reveals neither whether
        # a user exists nor how much of a password was right.
        matches = [
            _same(user, name) & _same(password, secret) for name, secret in known
        ]
        if any(matches):
            return Caller(user), None
        metrics.refused_credentials.inc()
        # Missing credentials do not count: Label Studio's own webhook sends none, from
        # the same address as its other calls.
        if token or header:
            _count_guess(address_of(request))
        _record_refusal(request, user if user in dict(known) else "somebody")
        raise AuthenticationFailed(_REFUSED)

    def authenticate_header(self, request: HttpRequest) -> str:
        return _CHALLENGE


def _count_guess(address: str) -> None:
    """Count wrong credentials by address and minute, in this process.

    They are counted after they were compared: if a guesser's address could be refused
    before, a guesser would keep out everybody behind the same proxy.

    Raises:
        Throttled: there were WRONG_CREDENTIALS_PER_MINUTE before in this minute.
    """
    minute, second = divmod(int(time.time()), _MINUTE_S)
    key = f"guesses:{address}:{minute}"
    cache.add(key, 0, timeout=2 * _MINUTE_S)
    if cache.incr(key) > settings.WRONG_CREDENTIALS_PER_MINUTE:
        raise Throttled(wait=_MINUTE_S - second, detail=_TOO_MANY)


def _record_refusal(request: HttpRequest, name: str) -> None:
    """Record one row per minute, address and name, so guesses cannot flood the log."""
    address = address_of(request)
    if cache.add(f"refused:{address}:{name}", 1, timeout=_MINUTE_S):
        record_entry(
            origin=Origin.from_request(request, name=name),
            at=timezone.now(),
            actor=name,
            verb=AuditEntry.Verb.CREDENTIALS_REFUSED,
            target=request.path[:200],
        )


def _same(given: str, valid: str) -> bool:
    return hmac.compare_digest(given.encode(), valid.encode())


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        pair = base64.b64decode(encoded.strip(" "), validate=True)
    except ValueError:  # not base64, or not even ASCII
        return "", ""
    user, _, password = _text(pair).partition(":")
    return user, password


def _text(raw: bytes) -> str:
    """Decode UTF-8, as curl sends it, or Latin-1, as Label Studio's ML client does."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
